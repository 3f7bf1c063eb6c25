"""Many callers, one account with limits: a real server, real workers, renders at an emulator, counted there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from emulator.config import EmulatorConfig
from emulator.ledger import Ledger
from emulator.server import EmulatorServer
from manxue.admission import admission_id
from tests.support.processes import API_KEY, WorkerProcess
from tests.support.runs import FAST, Handle, Runs, cancel, outcome, request, until

Overview = dict[str, Any]


@pytest.fixture
async def emulator() -> AsyncIterator[EmulatorServer]:
    """An account of the test's own. A render takes about a second."""
    async with EmulatorServer(EmulatorConfig(api_key=API_KEY, speed=100)) as emulator:
        yield emulator


@pytest.fixture
async def start_worker(
    folder: Path, worker_env: dict[str, str], emulator: EmulatorServer, word: str
) -> AsyncIterator[Callable[..., Awaitable[WorkerProcess]]]:
    """Starts workers for that account, on a task queue of the test's own."""
    started: list[WorkerProcess] = []

    async def start(**env: str) -> WorkerProcess:
        own = {"MANXUE_TASK_QUEUE": word, "MANXUE_BASE_URL": emulator.url, **env}
        started.append(WorkerProcess(folder, {**worker_env, **own}))
        return await asyncio.to_thread(started[-1].ready)

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def account(client: Client, emulator: EmulatorServer) -> Handle:
    """The execution that admits."""
    return client.get_workflow_handle(admission_id(emulator.url, API_KEY))


@pytest.fixture
def own_runs(client: Client, word: str) -> Runs:
    """Runs on that queue."""
    return Runs(client, word)


def order(prompt: str, tenant: str = "modest", **more: Any) -> dict[str, Any]:
    """The smallest run."""
    return {"request": request(prompt), "tenant": tenant, "poll": FAST, "preview": False, **more}


def most_in_flight(ledger: Ledger) -> int:
    """Renders at a time, at the moments when one was accepted."""
    return max(ledger.in_flight(create.at) for create in ledger.creates)


async def until_account(account: Handle, condition: Callable[[Overview], bool], seconds: float = 90) -> Overview:
    """Ask for the state of the account until it satisfies the condition."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(RPCError):  # not there yet, or the server has one query to ask of it already
                if condition(now := dict(await account.query("admission"))):
                    return now
            await asyncio.sleep(0.2)


async def test_a_modest_tenant_is_served_at_once_beside_two_hundred_runs_of_a_greedy_one(
    start_worker: Callable[..., Awaitable[WorkerProcess]],
    own_runs: Runs,
    account: Handle,
    emulator: EmulatorServer,
    word: str,
) -> None:
    await start_worker(MANXUE_MAX_IN_FLIGHT="4")
    greedy = await asyncio.gather(*(own_runs.start(order(f"{word} {n}", "greedy")) for n in range(200)))
    await until_account(account, lambda now: now["waiting"] + len(now["in_flight"]) > 150)
    last = await until(greedy[-1], lambda now: now["admission"] is not None)
    modest = [await own_runs.start(order(f"{word} m{n}")) for n in range(5)]
    started = len(emulator.ledger.ends)
    await asyncio.gather(*(outcome(handle) for handle in modest))
    assert len(emulator.ledger.ends) - started <= 25  # of both tenants, while the five were served
    assert most_in_flight(emulator.ledger) <= 4
    assert last["phase"] == "submitting"
    assert last["admission"]["place"] <= last["admission"]["waiting"]
    assert last["admission"]["max_in_flight"] == 4
    assert f"place {last['admission']['place']} of" in last["message"]
    # Those who wait leave the queue when they are cancelled, and have bought nothing.
    bought = len(emulator.ledger.creates)
    assert "Nothing was bought" in await cancel(greedy[-1])
    await asyncio.gather(*(handle.cancel() for handle in greedy))
    await until_account(account, lambda now: now["waiting"] == 0)
    assert len(emulator.ledger.creates) - bought < 100
