"""`GenerateBatch` as a foreign service meets it: started by name with JSON, on the real server."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from tests.support.patience import PATIENCE
from tests.support.processes import WorkerProcess
from tests.support.provider import Provider
from tests.support.runs import FAST, Handle, Runs, current_details, failure_of, outcome, progress, request, reset, until

ASLEEP = {"first": 600, "interval": 600, "max_interval": 600}


def lines(word: str, count: int, **more: Any) -> list[dict[str, Any]]:
    """Inputs of so many runs, told apart by their prompts."""
    return [{"request": request(f"{word} {number}."), "poll": FAST, **more} for number in range(1, count + 1)]


async def start(runs: Runs, word: str, requests: list[Any], **more: Any) -> Handle:
    """Start a batch."""
    given = {"requests": requests, **more}
    return await runs.client.start_workflow("GenerateBatch", given, id=f"batch-{word}", task_queue=runs.task_queue)


@pytest.fixture
async def short(
    folder: Path, worker_env: dict[str, str], runs: Runs, word: str
) -> AsyncIterator[tuple[Runs, WorkerProcess]]:
    """A worker whose batches continue as new after 60 events, on a task queue of its own."""
    worker = WorkerProcess(folder, worker_env | {"MANXUE_TASK_QUEUE": word}, events=60)
    yield Runs(runs.client, word), worker.ready()
    worker.kill()


async def chain(runs: Runs, handle: Handle) -> list[int]:
    """Events of each run of a batch, the last one first."""
    lengths = []
    async for run in runs.client.list_workflows(f"WorkflowId = '{handle.id}'"):
        history = await runs.client.get_workflow_handle(handle.id, run_id=run.run_id).fetch_history()
        lengths.append(len(history.events))
    return lengths


async def test_all_are_rendered_a_few_at_a_time_in_short_histories_and_no_end_is_missed(
    short: tuple[Runs, WorkerProcess], provider: Provider, word: str
) -> None:
    runs, _ = short
    provider.on_query[f"{word} dark"] = lambda task: provider.status(task, "failed", error={"message": "too dark"})
    requests = [*lines(word, 23, tenant=word, priority=1), {"request": request(f"{word} dark"), "poll": FAST}]
    handle = await start(runs, word, requests, concurrency=8)
    most = 0

    def over(now: dict[str, Any]) -> bool:
        nonlocal most
        most = max(most, now["counts"]["running"])
        return bool(now["phase"] == "completed")

    await until(handle, over)
    result = await outcome(handle)
    assert most == 8
    assert result["counts"]["completed"] == 23
    (failed,) = result["failures"]
    assert (failed["number"], failed["failure"]) == (24, "RenderFailed")
    assert "too dark" in failed["message"]
    shown = await current_details(handle)
    assert "**Completed:** 23 of 24" in shown
    assert "too dark" in shown
    assert len(provider.creates_of(word)) == 24
    assert (await runs.client.count_workflows(f"ManxueTenant = '{word}'")).count == 23
    lengths = await chain(runs, handle)
    assert len(lengths) >= 3
    assert max(lengths) < 150


async def test_one_bad_request_keeps_all_others_from_being_started(runs: Runs, provider: Provider, word: str) -> None:
    bad = [{"request": request(word, duration=99)}, request(""), {"request": request(word), "prority": 1}, 7]
    bad.append({"request": request(word), "output": "ftp://host/"})
    failure = await failure_of(await start(runs, word, [*lines(word, 3), *bad]))
    assert failure.type == "InvalidRequest"
    fields = [problem["field"] for problem in failure.details[0]["problems"]]
    assert fields == ["line 4: duration", "line 5: prompt", "line 6: prority", "line 7: request", "line 8: output"]
    assert provider.creates_of(word) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "input"),
        ({"requests": []}, "requests"),
        ({"requests": [1], "concurrency": 0}, "concurrency"),
        ({"requests": [1], "paralel": 3}, "paralel"),
        ([], "input"),
        (None, "input"),
        ({"requests": ["x" * 2_000] * 600}, "input"),
        ({"requests": [1] * 100_000}, "requests"),
    ],
)
async def test_nonsense_ends_in_a_clean_failure(runs: Runs, word: str, given: Any, field: str) -> None:
    handle = await runs.client.start_workflow("GenerateBatch", given, id=word, task_queue=runs.task_queue)
    failure = await failure_of(handle)
    assert failure.type == "InvalidRequest"
    assert failure.details[0]["problems"][0]["field"] == field


async def test_a_wrong_number_of_arguments_ends_in_a_clean_failure(runs: Runs, word: str) -> None:
    handle = await runs.client.start_workflow("GenerateBatch", args=[1, 2], id=word, task_queue=runs.task_queue)
    assert (await failure_of(handle)).type == "InvalidRequest"


async def test_an_id_that_its_runs_could_not_begin_with_ends_in_a_clean_failure(runs: Runs, word: str) -> None:
    batch_id = word.ljust(985, "x")
    given = {"requests": lines(word, 1)}
    handle = await runs.client.start_workflow("GenerateBatch", given, id=batch_id, task_queue=runs.task_queue)
    failure = await failure_of(handle)
    assert (failure.type, failure.details[0]["problems"][0]["field"]) == ("InvalidRequest", "workflow id")


async def test_a_pause_counts_also_while_the_requests_are_being_read(runs: Runs, provider: Provider, word: str) -> None:
    page_id, batch_id = f"{word}-page", f"batch-{word}"
    given = {"pages": [{"id": page_id, "lines": 4}], "skip_invalid": True}
    handle = await runs.client.start_workflow("GenerateBatch", given, id=batch_id, task_queue=runs.task_queue)
    await until(handle, lambda now: now["phase"] == "running")
    await handle.execute_update("pause")
    kept = [
        {"number": number, "workflow_id": f"{batch_id}:{number}", "input": line}
        for number, line in enumerate(lines(word, 4), 1)
    ]
    await runs.client.start_workflow("RequestPage", {"lines": kept}, id=page_id, task_queue=runs.task_queue)
    await read(handle)
    assert (await progress(handle))["counts"]["waiting"] == 4
    await handle.execute_update("set_concurrency", 2)
    await handle.execute_update("resume")
    assert (await outcome(handle))["counts"]["completed"] == 4
    assert len(provider.creates_of(word)) == 4


async def read(handle: Handle) -> None:
    """Wait until a batch has its page, and has done what follows."""
    async with asyncio.timeout(PATIENCE):
        while True:
            kinds = [event.event_type async for event in handle.fetch_history_events()]
            if EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in kinds:
                after = kinds[kinds.index(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) :]
                if EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in after:
                    return
            await asyncio.sleep(0.2)


async def test_a_paused_batch_starts_nothing_until_it_is_resumed_and_obeys_a_new_limit(
    runs: Runs, provider: Provider, word: str
) -> None:
    handle = await start(runs, word, lines(word, 6), concurrency=1)
    await until(handle, lambda now: now["counts"]["running"] == 1)
    paused = await handle.execute_update("pause")
    assert paused["phase"] == "paused"
    await until(handle, lambda now: now["counts"]["running"] == 0)
    started = 6 - (await progress(handle))["counts"]["waiting"]
    assert len(provider.creates_of(word)) == started < 6
    assert (await handle.execute_update("set_concurrency", 5))["concurrency"] == 5
    assert (await handle.execute_update("resume"))["phase"] == "running"
    await until(handle, lambda now: now["counts"]["running"] > 1)
    assert (await outcome(handle))["counts"]["completed"] == 6


async def test_a_batch_pauses_by_itself_when_every_further_run_would_fail_too(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_create[f"{word} 2."] = lambda body: JSONResponse({"msg": "no credit"}, 402)
    handle = await start(runs, word, lines(word, 5), concurrency=1)
    paused = await until(handle, lambda now: now["phase"] == "paused")
    assert "line 2 failed with InsufficientBalance" in paused["message"]
    assert len(provider.creates_of(word)) == 2
    await handle.execute_update("resume")
    assert (await outcome(handle))["counts"]["completed"] == 4


async def test_runs_that_failed_for_want_of_money_before_do_not_pause_the_batch_that_joins_them(
    short: tuple[Runs, WorkerProcess], provider: Provider, word: str
) -> None:
    runs, _ = short
    provider.on_create[word] = lambda body: JSONResponse({"msg": "no credit"}, 402)
    before = await outcome(await start(runs, word, lines(word, 20), concurrency=20))
    assert before["failure_types"] == {"InsufficientBalance": 20}
    del provider.on_create[word]
    handle = await start(runs, word, lines(word, 22), concurrency=2)
    result = await outcome(handle)
    assert (result["counts"]["failed"], result["counts"]["completed"]) == (20, 2)
    assert len(await chain(runs, handle)) > 2
    assert len(provider.creates_of(word)) == 22


async def test_a_cancelled_batch_cancels_what_is_in_flight_and_starts_nothing_more(
    runs: Runs, provider: Provider, word: str
) -> None:
    handle = await start(runs, word, lines(word, 5, poll=ASLEEP), concurrency=2)
    await until(handle, lambda now: now["counts"]["running"] == 2)
    async with asyncio.timeout(PATIENCE):
        while len(provider.creates_of(word)) < 2:
            await asyncio.sleep(0.1)
    running = [run["workflow_id"] for run in (await progress(handle))["running"]]
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await outcome(handle)
    assert isinstance(raised.value.cause, CancelledError)
    for workflow_id in running:
        description = await runs.client.get_workflow_handle(workflow_id).describe()
        assert description.status is WorkflowExecutionStatus.CANCELED
    assert "2 canceled, 3 waiting" in (await (await handle.describe()).memo())["outcome"]
    assert len(provider.creates_of(word)) == 2


def _completed(count: int, now: dict[str, Any]) -> bool:
    return bool(now["counts"]["completed"] >= count)


async def all_rendering(runs: Runs, handle: Handle, count: int) -> None:
    """Wait until so many runs are in flight, and all of them at the provider."""
    async with asyncio.timeout(PATIENCE):
        while True:
            ids = [run["workflow_id"] for run in (await progress(handle))["running"]]
            phases = [(await progress(runs.client.get_workflow_handle(run_id)))["phase"] for run_id in ids]
            if phases == ["rendering"] * count:
                return
            await asyncio.sleep(0.2)


async def test_a_killed_worker_changes_nothing(
    short: tuple[Runs, WorkerProcess], folder: Path, worker_env: dict[str, str], provider: Provider, word: str
) -> None:
    runs, worker = short
    rendering = True
    provider.on_query[word] = lambda task: provider.status(task, "processing") if rendering else None
    handle = await start(runs, word, lines(word, 18), concurrency=6)
    for seen in (0, 6):
        rendering = True
        await until(handle, partial(_completed, seen))
        await all_rendering(runs, handle, 6)
        worker.kill()
        worker = WorkerProcess(folder, worker_env | {"MANXUE_TASK_QUEUE": word}, events=60).ready()
        rendering = False
        await until(handle, partial(_completed, 6))
    assert (await outcome(handle))["counts"]["completed"] == 18
    worker.kill()
    assert len(provider.creates_of(word)) == 18


@pytest.mark.parametrize("children", [0, 3])
async def test_a_reset_joins_the_runs_that_are_there_and_buys_nothing_again(
    runs: Runs, provider: Provider, word: str, children: int
) -> None:
    provider.on_query[f"{word} 1."] = lambda task: provider.status(task, "processing")
    handle = await start(runs, word, lines(word, 6), concurrency=2)
    await until(handle, lambda now: now["counts"]["completed"] >= 3)
    again = await reset(handle, await after(handle, children))
    del provider.on_query[f"{word} 1."]
    result = await outcome(again)
    assert result["counts"]["completed"] == 6
    assert len(provider.creates_of(word)) == 6


async def after(handle: Handle, children: int) -> int:
    """The first completed workflow task after so many children of a batch had started."""
    started = 0
    async for event in handle.fetch_history_events():
        started += event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
        # Its page is a child too.
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED and started >= min(children, 1) + children:
            return event.event_id
    raise AssertionError(started)
