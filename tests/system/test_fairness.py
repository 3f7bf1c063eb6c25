"""Many callers, one account with limits: a real server, real workers, renders at an emulator, counted there."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from emulator.config import EmulatorConfig
from emulator.ledger import Ledger
from emulator.server import EmulatorServer
from manxue.admission import admission_id
from tests.support.account import until_account
from tests.support.command_line import CommandLine
from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY, DevServer, WorkerProcess
from tests.support.runs import FAST, Handle, Runs, cancel, outcome, request, until


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
def account(client: Client, emulator: EmulatorServer, word: str) -> Handle:
    """The execution that admits."""
    return client.get_workflow_handle(admission_id(word, emulator.url, API_KEY))


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


async def one_that_waits(handles: list[Handle]) -> tuple[Handle, dict[str, Any]]:
    """The run with the most before it, and what it says: they ask in any order, whichever was started last."""
    told = [
        (handle, await until(handle, lambda now: now["admission"] is not None or now["task_id"] is not None))
        for handle in handles[-20:]
    ]
    return max(
        ((handle, now) for handle, now in told if now["admission"] is not None),
        key=lambda one: int(one[1]["admission"]["place"]),
    )


async def test_a_modest_tenant_is_served_at_once_beside_eighty_runs_of_a_greedy_one(
    start_worker: Callable[..., Awaitable[WorkerProcess]],
    own_runs: Runs,
    account: Handle,
    emulator: EmulatorServer,
    server: DevServer,
    tmp_path: Path,
    word: str,
) -> None:
    await start_worker(MANXUE_MAX_IN_FLIGHT="4")
    greedy = await asyncio.gather(*(own_runs.start(order(f"{word} {n}", "greedy")) for n in range(80)))
    await until_account(account, lambda now: now["waiting"] + len(now["in_flight"]) > 60)
    waiting, told_waiting = await one_that_waits(greedy)
    doctor = CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address, "MANXUE_TASK_QUEUE": word})
    async with asyncio.timeout(PATIENCE):
        while "4 of 4 renders in flight" not in (told := (await doctor.run("doctor")).out):
            assert "does not answer" in told  # the server takes one query at a time for an execution
    assert "runs waiting (greedy: " in told
    modest = [await own_runs.start(order(f"{word} m{n}", priority=3)) for n in range(5)]
    started = len(emulator.ledger.ends)
    await asyncio.gather(*(outcome(handle, 180) for handle in modest))
    assert len(emulator.ledger.ends) - started <= 25  # of both tenants, while the five were served
    assert most_in_flight(emulator.ledger) <= 4
    # Nobody gave a priority to the start call: activities have it from the input.
    scheduled = [
        event.activity_task_scheduled_event_attributes.priority
        for event in (await modest[0].fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert {(priority.priority_key, priority.fairness_key) for priority in scheduled} == {(3, "modest")}
    place = told_waiting["admission"]
    assert told_waiting["phase"] == "submitting"
    assert place["place"] <= place["waiting"]
    assert place["max_in_flight"] == 4
    assert f"place {place['place']} of" in told_waiting["message"]
    # Those who wait leave the queue when they are cancelled, and have bought nothing.
    bought = len(emulator.ledger.creates)
    assert "Nothing was bought" in await cancel(waiting)
    await asyncio.gather(*(handle.cancel() for handle in greedy))
    await until_account(account, lambda now: now["waiting"] == 0)
    assert len(emulator.ledger.creates) - bought < 40


async def test_a_killed_worker_loses_no_place_and_no_slot(
    start_worker: Callable[..., Awaitable[WorkerProcess]],
    own_runs: Runs,
    account: Handle,
    emulator: EmulatorServer,
    word: str,
) -> None:
    worker = await start_worker(MANXUE_MAX_IN_FLIGHT="2")
    handles = [await own_runs.start(order(f"{word} {n}")) for n in range(8)]
    await until_account(account, lambda now: now["waiting"] >= 4 and len(now["in_flight"]) == 2)
    await asyncio.to_thread(worker.kill)
    await start_worker(MANXUE_MAX_IN_FLIGHT="2")
    for handle in handles:
        now = await until(handle, lambda now: now["phase"] in ("completed", "needs_decision"), 150)
        if now["phase"] == "needs_decision":  # killed in the very moment of its create call
            bought = [
                c.task_id for c in emulator.ledger.creates if c.body["prompt"] == f"{word} {handles.index(handle)}"
            ]
            action = {"action": "adopt", "task_id": bought[0]} if bought else {"action": "resubmit"}
            await handle.execute_update("resolve_submission", action)
        await outcome(handle)
    assert len(emulator.ledger.creates) == 8
    assert most_in_flight(emulator.ledger) <= 2


async def test_the_rate_of_create_calls_holds_for_all_workers_together(
    start_worker: Callable[..., Awaitable[WorkerProcess]],
    own_runs: Runs,
    account: Handle,
    emulator: EmulatorServer,
    word: str,
) -> None:
    rate, burst = 2.0, 2
    await asyncio.gather(*(start_worker(MANXUE_SUBMITS_PER_SECOND=str(rate)) for _ in range(2)))
    began = time.time()
    handles = await asyncio.gather(*(own_runs.start(order(f"{word} {n}")) for n in range(12)))
    await asyncio.gather(*(outcome(handle) for handle in handles))
    calls = sorted(create.at for create in emulator.ledger.creates)
    assert len(calls) == 12
    for number, at in enumerate(calls, 1):
        assert at >= began + (number - burst) / rate
    now = await until_account(account, lambda now: now["waiting"] == 0)
    assert now["in_flight"] == []  # not counted where nobody limits them
