"""One slot at an account: who gets it when runs are terminated, cancelled, late, held or continued as new.

The worker runs inside the test, so that its rhythms can be shorter; the server, the activities and HTTP are the real
ones.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue

from connection import ensure_search_attributes
from manxue.admission import Ask, Limits, admission_id
from settings import WorkerSettings
from tests.support.account import until_account
from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY
from tests.support.provider import Answer, Provider, Task
from tests.support.runs import (
    FAST,
    Handle,
    Runs,
    cancel,
    current_details,
    failure_of,
    outcome,
    progress,
    request,
    reset,
    until,
    until_phase,
)
from worker import build_worker
from workflows import policies

ONE = Limits(max_in_flight=1)


class Renders:
    """Renders that go on until the test finishes them."""

    def __init__(self, provider: Provider, word: str) -> None:
        self.provider, self.word = provider, word
        self.finished: set[str] = set()
        self.all_finished = False
        provider.on_query[word] = self._answer

    def _answer(self, task: Task) -> Answer | None:
        over = self.all_finished or str(task.body["prompt"]) in self.finished
        return self.provider.status(task, "completed") if over else self.provider.moving(task)

    def ordered(self) -> list[str]:
        """The prompts of the create calls, without the test's word."""
        return [str(body["prompt"]).removeprefix(f"{self.word} ") for body in self.provider.creates_of(self.word)]

    def task(self, name: str) -> Task:
        """The task of that prompt."""
        return next(task for task in self.provider.tasks.values() if task.body["prompt"] == f"{self.word} {name}")

    async def asked_again(self, name: str, times: int = 3) -> None:
        """Wait until the provider was asked about it some more times."""
        before = self.task(name).queries
        async with asyncio.timeout(PATIENCE):
            while self.task(name).queries < before + times:
                await asyncio.sleep(0.05)


@pytest.fixture
def renders(provider: Provider, word: str) -> Renders:
    return Renders(provider, word)


@pytest.fixture
def account(client: Client, provider: Provider, word: str) -> Handle:
    """The execution that admits."""
    return client.get_workflow_handle(admission_id(word, provider.url, API_KEY))


@pytest.fixture
def limits() -> Limits:
    """Of the account."""
    return ONE


@pytest.fixture
async def runs(
    client: Client, provider: Provider, folder: Path, word: str, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runs]:
    """Runs at an account with limits."""
    monkeypatch.setattr(policies, "LOOK_AT_SLOTS", timedelta(seconds=1))
    monkeypatch.setattr(policies, "PLACE_FIRST_LOOK", timedelta(seconds=0.5))
    monkeypatch.setattr(policies, "PLACE_SHORTEST_LOOK", timedelta(seconds=1))
    monkeypatch.setattr(policies, "PLACE_LOOK_EACH", timedelta(seconds=0.1))
    settings = WorkerSettings(
        api_key=SecretStr(API_KEY),
        base_url=provider.url,
        task_queue=word,
        output=str(folder / "videos"),
        shutdown_grace=1,
        **limits.model_dump(),
    )
    await ensure_search_attributes(client)
    async with build_worker(settings, client):
        yield Runs(client, word)


async def started(runs: Runs, name: str, **fields: object) -> Handle:
    """A run that holds the slot, or waits for it and knows its place."""
    prompt = f"{runs.task_queue} {name}"
    handle = await runs.start(request=request(prompt), poll=FAST, preview=False, **fields)
    await until(handle, lambda now: now["phase"] == "rendering" or now["admission"] is not None)
    return handle


async def test_a_terminated_run_gives_its_slot_to_the_next_when_its_render_is_over_and_not_before(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first, second = await started(runs, "1"), await started(runs, "2")
    await first.terminate()
    await until_account(account, lambda now: now["in_flight"][0]["task_id"] == renders.task("1").id)
    await renders.asked_again("1")
    assert renders.ordered() == ["1"]
    assert (await progress(second))["phase"] == "submitting"
    renders.all_finished = True
    await outcome(second)
    assert renders.ordered() == ["1", "2"]


async def test_a_cancelled_run_whose_render_goes_on_keeps_its_slot_until_that_is_over(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first, second = await started(runs, "1"), await started(runs, "2")
    assert "goes on at the provider and is billed" in await cancel(first)
    await renders.asked_again("1")
    assert (await until_account(account, lambda now: True))["in_flight"][0]["run_ended"]
    assert "1 of 1 renders in flight, 1 runs waiting" in await current_details(account)
    assert renders.ordered() == ["1"]
    renders.all_finished = True
    await outcome(second)


async def test_runs_that_end_while_they_wait_cost_nobody_a_place_and_nothing(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first = await started(runs, "1")
    gone = await started(runs, "gone")
    late = await runs.start(request=request(f"{runs.task_queue} late"), poll=FAST, preview=False, deadline=4)
    dead, last = await started(runs, "dead"), await started(runs, "last")
    failure = await failure_of(late)
    assert failure.type == "DeadlineExceeded"
    assert "Nothing was bought" in failure.message
    assert "Nothing was bought" in await cancel(gone)
    await dead.terminate()
    now = await until(last, lambda now: now["admission"]["waiting"] == 2)
    assert (now["admission"]["place"], now["admission"]["in_flight"]) == (2, 1)
    assert now["message"] == "Waiting for its turn: place 2 of 2; 1 of 1 renders in flight."
    renders.all_finished = True
    await outcome(first)
    await outcome(last)
    assert renders.ordered() == ["1", "last"]


async def test_nothing_is_lost_while_runs_and_their_queue_continue_as_new(
    runs: Runs, account: Handle, renders: Renders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "EVENTS_PER_RUN", 40)
    monkeypatch.setattr(policies, "EVENTS_PER_ADMISSION_RUN", 40)
    handles = [await started(runs, str(n)) for n in range(3)]
    before = [(await handle.describe()).run_id for handle in [account, *handles]]
    async with asyncio.timeout(PATIENCE):
        while any([(await h.describe()).run_id in before for h in [account, *handles]]):
            await asyncio.sleep(0.2)
    assert renders.ordered() == ["0"]
    renders.all_finished = True
    for handle in handles:
        await outcome(handle)
    assert renders.ordered() == ["0", "1", "2"]


async def test_a_run_that_waits_for_a_decision_keeps_its_slot_and_one_that_adopts_a_task_needs_none(
    runs: Runs, account: Handle, renders: Renders, word: str
) -> None:
    renders.provider.on_create[f"{word} held"] = lambda body: {"code": 0, "data": "nonsense"}
    held = await runs.start(request=request(f"{word} held"), poll=FAST, preview=False)
    await until_phase(held, "needs_decision")
    waiting = await started(runs, "2")
    renders.finished.add(f"{word} held")
    adopted = renders.task("held").id
    await runs.result(request=request(f"{word} held"), poll=FAST, task_id=adopted, preview=False)
    now = await until_account(account, lambda now: now["waiting"] == 1)
    assert [(slot["workflow_id"], slot["run_ended"]) for slot in now["in_flight"]] == [(held.id, False)]
    assert renders.ordered() == ["held"]
    await held.execute_update("resolve_submission", {"action": "adopt", "task_id": adopted})
    await outcome(held)
    renders.all_finished = True
    await outcome(waiting)


async def test_a_queue_that_was_terminated_comes_back_with_all_that_it_knew(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first = await started(runs, "1")
    others = [await started(runs, str(n)) for n in (2, 3)]
    await account.terminate()
    await until_account(account, lambda now: now["waiting"] == 2)
    newcomer = await started(runs, "4")
    now = await until_account(account, lambda now: now["waiting"] == 3)
    assert [slot["workflow_id"] for slot in now["in_flight"]] == [first.id]
    assert now["next"] == [handle.id for handle in (*others, newcomer)]
    assert renders.ordered() == ["1"]
    renders.all_finished = True
    for handle in (first, *others, newcomer):
        await outcome(handle)
    assert renders.ordered() == ["1", "2", "3", "4"]


async def test_runs_that_are_reset_hold_and_wait_once(runs: Runs, account: Handle, renders: Renders) -> None:
    first, second = await started(runs, "1"), await started(runs, "2")
    again = [await reset(handle, event_id=4) for handle in (second, first)]  # at their beginnings
    for handle in again:
        await until(handle, lambda now: now["phase"] == "rendering" or now["admission"] is not None)
    now = await until_account(account, lambda now: now["waiting"] == 1)
    assert [slot["workflow_id"] for slot in now["in_flight"]] == [first.id]
    renders.all_finished = True
    for handle in again:
        await outcome(handle)
    assert renders.ordered() == ["1", "2"]


async def second_waits_for_the_first_render(account: Handle, renders: Renders, second: Handle) -> None:
    """The first run is over, its render is not: it keeps the slot until the provider has finished it."""
    await until_account(account, lambda now: now["in_flight"][0]["task_id"] == renders.task("1").id)
    await renders.asked_again("1")
    assert renders.ordered() == ["1"]
    renders.all_finished = True
    await outcome(second)


async def test_a_run_that_was_reset_and_then_ended_leaves_the_slot_to_the_render_of_the_run_before_it(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first, second = await started(runs, "1"), await started(runs, "2")
    again = await reset(first, event_id=4)
    await again.terminate()
    await second_waits_for_the_first_render(account, renders, second)


async def test_another_run_of_the_workflow_id_that_fails_does_not_free_what_the_first_one_bought(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first = await started(runs, "1")
    await first.terminate()
    await failure_of(await runs.start({"request": {"model": "nonsense"}}, workflow_id=first.id))
    second = await started(runs, "2")
    await second_waits_for_the_first_render(account, renders, second)


async def test_a_queue_that_was_terminated_again_before_it_knew_what_came_before_it_forgets_nothing(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    first = await started(runs, "1")
    for _ in range(3):
        await account.terminate()
        await account._client.start_workflow(  # as by a run that asks
            "AdmitRenders", id=account.id, task_queue=runs.task_queue
        )
    second = await started(runs, "2")
    now = await until_account(account, lambda now: now["waiting"] == 1)
    assert [slot["workflow_id"] for slot in now["in_flight"]] == [first.id]
    assert renders.ordered() == ["1"]
    renders.all_finished = True
    await outcome(second)


async def test_runs_with_long_workflow_ids_do_not_make_the_queue_too_large_to_go_on(
    runs: Runs, account: Handle, renders: Renders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "EVENTS_PER_ADMISSION_RUN", 1000)
    first = await started(runs, "1")
    before = (await account.describe()).run_id
    asks = [Ask(workflow_id=f"{n:04}".ljust(999, "x"), ticket=9e9 + n, limits=ONE) for n in range(1100)]
    turns = asyncio.Semaphore(50)

    async def send(ask: Ask) -> None:
        async with turns:
            await account.signal("ask", ask)

    await asyncio.gather(*map(send, asks))
    async with asyncio.timeout(PATIENCE):
        while (await account.describe()).run_id == before:
            await asyncio.sleep(0.2)
    second = await started(runs, "2")
    renders.all_finished = True
    await outcome(first)
    await outcome(second)
    await account.terminate()


NONSENSE: list[list[object]] = [
    [],
    [None],
    ["x"],
    [{"workflow_id": 1}],
    [{"workflow_id": "x", "ticket": "NaN"}],
    [{"workflow_id": "x", "ticket": 1, "limits": {"submits_per_second": 0}}],
]


async def test_asks_of_nonsense_change_nothing(runs: Runs, account: Handle, renders: Renders) -> None:
    first = await started(runs, "1")
    for args in NONSENSE * 2:
        await account.signal("ask", args=args)
        await account.signal("leave", args=args)
    second = await started(runs, "2")
    now = await until_account(account, lambda now: True)
    assert (now["waiting"], now["limits"]["max_in_flight"]) == (1, 1)
    renders.all_finished = True
    await outcome(first)
    await outcome(second)


@pytest.mark.parametrize("limits", [Limits(submits_per_second=0.1)])
async def test_runs_that_were_terminated_while_they_waited_use_up_no_create_calls(
    runs: Runs, account: Handle, renders: Renders
) -> None:
    renders.all_finished = True
    await outcome(await runs.start(request=request(f"{runs.task_queue} 1"), poll=FAST, preview=False))
    given = {"request": request(f"{runs.task_queue} dead"), "poll": FAST}
    dead = await asyncio.gather(*(runs.start(given) for _ in range(8)))
    await until_account(account, lambda now: now["waiting"] == len(dead))
    for handle in dead:
        await handle.terminate()
    last = await runs.start(request=request(f"{runs.task_queue} last"), poll=FAST, preview=False)
    await outcome(last, 60)  # not 10 s for each of the dead
    assert renders.ordered() == ["1", "last"]


@pytest.mark.parametrize("limits", [Limits(max_in_flight=2)])
async def test_a_run_that_nobody_can_read_any_more_does_not_keep_the_slots_of_others(
    runs: Runs, client: Client, account: Handle, renders: Renders
) -> None:
    first = await started(runs, "1")
    unreadable = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"by a key that is lost")
    lost = await client.start_workflow(
        "GenerateVideo", RawValue(unreadable), id=f"{first.id}-lost", task_queue="nobody"
    )
    await lost.terminate()
    ask = Ask(workflow_id=lost.id, ticket=1.0, limits=Limits(max_in_flight=2))
    await account.signal("ask", ask)
    second = await started(runs, "2")
    await first.terminate()
    renders.finished.add(f"{runs.task_queue} 1")
    renders.finished.add(f"{runs.task_queue} 2")
    await outcome(second)
    now = await until_account(account, lambda now: len(now["in_flight"]) == 1)
    assert now["in_flight"][0]["workflow_id"] == lost.id
