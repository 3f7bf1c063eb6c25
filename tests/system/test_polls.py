"""A poll that asks several times by itself: on the real server, with real workers."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client

import deployment
from settings import WorkerSettings
from tests.support.attempts import attempts
from tests.support.processes import API_KEY, WorkerProcess, worker_process
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import Handle, Runs, current_details, outcome, progress, request, until
from worker import build_worker

RHYTHM = {"first": 0.2, "interval": 1, "max_interval": 1}
SLOW = {"first": 0.2, "interval": 12, "max_interval": 12}
"""Slow enough to do something to a worker while it waits for the next question."""


async def polls_of(handle: Handle) -> list[int]:
    """How often each poll of a run was attempted."""
    return attempts((await handle.fetch_history()).events, "poll")


async def timers_of(handle: Handle) -> list[Any]:
    """What a run has waited for by timers."""
    return [
        event for event in (await handle.fetch_history()).events if event.HasField("timer_started_event_attributes")
    ]


async def test_while_nothing_changes_questions_leave_no_events_and_progress_counts_them(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing") if task.queries < 8 else None
    handle = await runs.start(request=request(word), poll=RHYTHM)
    first = await until(handle, lambda now: now["polls"] >= 3)
    length = len((await handle.fetch_history()).events)
    later = await until(handle, lambda now: now["polls"] >= 6)
    assert len((await handle.fetch_history()).events) == length
    assert first["next_poll_at"] < later["next_poll_at"]
    assert f"poll {later['polls'] + 1} at" in await current_details(handle)
    result = await outcome(handle)
    (task,) = (task for task in provider.tasks.values() if task.body["prompt"] == word)
    assert result["polls"] == task.queries - 1 == 8  # the download asks for the URL itself
    assert await polls_of(handle) == [1, 4]  # one that waits and asks, and three that ask, wait and ask
    lesson = (await (await handle.describe()).memo())["render"]
    unfinished, finished = lesson["finished"]
    assert 0.5 < finished - unfinished < 2.5


async def test_poll_now_does_not_wait_for_the_next_planned_question(runs: Runs, provider: Provider, word: str) -> None:
    percent = [20]
    provider.on_query[word] = lambda task: (
        provider.status(task, "processing", progress=percent[0]) if percent[0] < 100 else None
    )
    handle = await runs.start(request=request(word), poll={"first": 0.2, "interval": 1, "max_interval": 600})
    await until(handle, lambda now: now["polls"] >= 2)
    percent[0] = 23
    answer = await asyncio.wait_for(handle.execute_update("poll_now"), 10)
    assert (answer["phase"], answer["percent"]) == ("rendering", 23)
    percent[0] = 100
    await handle.execute_update("poll_now")
    result = await outcome(handle)
    (task,) = (task for task in provider.tasks.values() if task.body["prompt"] == word)
    assert result["polls"] == task.queries - 1


async def test_a_render_that_has_come_much_further_is_told_before_the_last_question(
    runs: Runs, provider: Provider, word: str
) -> None:
    def answer(task: Any) -> dict[str, Any] | None:
        percent = {1: 10, 2: 12, 3: 14, 4: 40}.get(task.queries, 41)
        return provider.status(task, "processing", progress=percent) if task.queries < 7 else None

    provider.on_query[word] = answer
    handle = await runs.start(request=request(word), poll=RHYTHM)
    assert (await until(handle, lambda now: (now["percent"] or 0) > 10))["percent"] == 40
    await outcome(handle)
    assert await polls_of(handle) == [1, 2, 2]


async def test_a_question_without_an_answer_is_followed_by_another_at_once(
    runs: Runs, provider: Provider, word: str
) -> None:
    asked: list[float] = []

    def answer(task: Any) -> Any:
        asked.append(time.monotonic())
        if task.queries == 3:
            return bad_gateway()
        return provider.status(task, "processing") if task.queries < 6 else None

    provider.on_query[word] = answer
    handle = await runs.start(request=request(word), poll={"first": 0.2, "interval": 3, "max_interval": 3})
    result = await outcome(handle)
    assert asked[3] - asked[2] < 1.5
    assert result["polls"] == len(asked) - 1
    assert await polls_of(handle) == [1, 2, 1, 2]
    assert (await progress(handle))["trouble"] is None


async def test_a_first_question_without_an_answer_is_followed_by_another_at_once(
    runs: Runs, provider: Provider, word: str
) -> None:
    asked = list[float]()

    def answer(task: Any) -> Any:
        asked.append(time.monotonic())
        return bad_gateway() if task.queries == 1 else provider.status(task, "completed")

    provider.on_query[word] = answer
    handle = await runs.start(request=request(word), poll={"first": 2})
    assert (await outcome(handle))["polls"] == 2
    assert asked[1] - asked[0] < 1.5
    assert await polls_of(handle) == [1, 1]


async def test_a_worker_that_dies_between_two_questions_takes_none_with_it(
    runs: Runs, folder: Path, worker_env: dict[str, str], worker: WorkerProcess, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing") if task.queries < 6 else None
    there = Runs(runs.client, word)
    env = {**worker_env, "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env) as mortal:
        handle = await there.start(request=request(word), poll={"first": 0.2, "interval": 3, "max_interval": 3})
        await until(handle, lambda now: now["polls"] >= 3)
        mortal.kill()
    with worker_process(folder, env):
        result = await outcome(handle)
    assert result["polls"] >= 6
    assert len(await polls_of(handle)) == 2


async def test_an_attempt_waits_for_its_second_question_by_itself(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing") if task.queries < 4 else None
    handle = await runs.start(request=request(word), poll=SLOW)
    waiting = await until(handle, lambda now: now["polls"] == 1)
    assert waiting["next_poll_at"]
    result = await outcome(handle, 60)
    assert result["polls"] == 4
    assert await polls_of(handle) == [1, 2]  # one waits and asks, the other asks, waits and asks
    assert len(await timers_of(handle)) == 1
    lesson = (await (await handle.describe()).memo())["render"]
    unfinished, finished = lesson["finished"]
    assert 9 < finished - unfinished < 15


async def test_poll_now_does_not_wait_for_what_an_attempt_waits_for(runs: Runs, provider: Provider, word: str) -> None:
    done = False
    provider.on_query[word] = lambda task: provider.status(task, "completed" if done else "processing")
    handle = await runs.start(request=request(word), poll={"first": 0.2, "interval": 60})
    await until(handle, lambda now: now["polls"] == 1)
    done = True
    await asyncio.wait_for(handle.execute_update("poll_now"), 10)
    assert (await outcome(handle, 20))["polls"] == 2


async def test_an_answer_that_comes_slowly_after_a_wait_is_left_to_another_attempt(
    runs: Runs, provider: Provider, word: str
) -> None:
    def answer(task: Any) -> Any:
        if task.queries == 2:
            time.sleep(4)
        return provider.status(task, "processing") if task.queries < 3 else None

    provider.on_query[word] = answer
    handle = await runs.start(request=request(word), poll=SLOW)
    assert (await outcome(handle, 60))["video"]
    assert await polls_of(handle) == [1, 2]


async def taken_over(
    runs: Runs, folder: Path, worker_env: dict[str, str], word: str, leave: Callable[[WorkerProcess], object]
) -> tuple[Handle, dict[str, Any]]:
    """A run whose worker leaves while it waits for the second question, and what another one makes of it."""
    there, env = Runs(runs.client, word), {**worker_env, "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env) as first:
        handle = await there.start(request=request(word), poll=SLOW)
        await until(handle, lambda now: now["polls"] == 1)
        leave(first)
    with worker_process(folder, env):
        return handle, await outcome(handle, 60)


async def test_a_worker_that_stops_hands_back_what_it_waits_for_and_another_asks_when_it_is_due(
    runs: Runs, folder: Path, worker_env: dict[str, str], worker: WorkerProcess, provider: Provider, word: str
) -> None:
    asked = list[float]()

    def answer(task: Any) -> Any:
        asked.append(time.monotonic())
        return provider.status(task, "processing") if task.queries < 3 else None

    provider.on_query[word] = answer
    handle, result = await taken_over(runs, folder, worker_env, word, WorkerProcess.stop)
    assert result["polls"] == 3
    assert await polls_of(handle) == [1, 2]
    assert 9 < asked[1] - asked[0] < 15


async def test_a_worker_that_dies_while_it_waits_for_a_question_loses_no_render(
    runs: Runs, folder: Path, worker_env: dict[str, str], worker: WorkerProcess, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing") if task.queries < 3 else None
    handle, result = await taken_over(runs, folder, worker_env, word, WorkerProcess.kill)
    assert result["video"]
    assert await polls_of(handle) == [1, 2]  # the one that died, and one that asks late, waits and asks


async def test_a_run_goes_on_whichever_of_the_workers_of_before_and_of_now_has_planned_its_first_poll(
    client: Client, runs: Runs, provider: Provider, folder: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, output = Runs(client, word), str(folder / "videos")
    settings = WorkerSettings(api_key=SecretStr(API_KEY), base_url=provider.url, task_queue=word, output=output)
    given = {"request": request(word), "poll": {"first": 3}}
    with monkeypatch.context() as before:
        before.setattr(deployment, "UNVERSIONED", "manxue")
        async with build_worker(settings, client):
            begun_before = await there.start(given)
            await until(begun_before, lambda now: now["next_poll_at"])
    async with build_worker(settings, client):
        begun_now = await there.start(given)
        for handle in (begun_before, begun_now):
            assert (await outcome(handle))["video"]
    assert [len(await timers_of(handle)) for handle in (begun_before, begun_now)] == [1, 0]


async def test_a_render_that_was_finished_before_the_deadline_is_fetched_by_a_worker_that_comes_after_it(
    runs: Runs, folder: Path, worker_env: dict[str, str], worker: WorkerProcess, provider: Provider, word: str
) -> None:
    finished = False
    provider.on_query[word] = lambda task: None if finished else provider.status(task, "processing")
    there = Runs(runs.client, word)
    env = {**worker_env, "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env) as mortal:
        rhythm = {"first": 0.2, "interval": 3, "max_interval": 3}
        handle = await there.start({"request": request(word), "deadline": "PT20S", "poll": rhythm})
        started = time.monotonic()
        await until(handle, lambda now: now["polls"] >= 2)
        mortal.kill()
    finished = True
    await asyncio.sleep(started + 40 - time.monotonic())  # Temporal has given up the poll
    with worker_process(folder, env):
        assert (await outcome(handle))["video"]


async def test_a_cancelled_run_knows_how_often_it_has_asked(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll=RHYTHM)
    asked = (await until(handle, lambda now: now["polls"] >= 5))["polls"]
    await handle.cancel()
    assert (await until(handle, lambda now: now["phase"] == "canceled"))["polls"] >= asked
