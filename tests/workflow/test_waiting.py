"""Hours of waiting, in the time-skipping server, with the real activities and real HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from temporalio.client import Client

from tests.support.provider import Provider, Task, bad_gateway
from tests.support.runs import Handle, Runs, outcome, progress, request
from workflows import policies
from workflows.policies import EVENTS_PER_RUN

QUEUE = "hours"


async def test_a_ten_hour_render_is_asked_about_at_a_sane_rate_and_no_history_grows_long(
    client: Client, provider: Provider, word: str
) -> None:
    task = provider.tasks[word] = Task(word, {"model": "sd2_manxue_4k", "prompt": word, "duration": 4, "ratio": "16:9"})
    asked = 780
    provider.on_query[word] = lambda task: provider.status(task, "processing" if task.queries < asked else "completed")
    given = {"request": {**request(word), "model": "sd2_manxue_4k"}, "task_id": word}
    handle = await Runs(client, QUEUE).start(given)
    result = await outcome(handle, 120)  # no query meanwhile: beside one, this server can stop skipping time
    assert result["polls"] == asked
    assert task.queries == asked + 1  # the download asks for the URL itself
    entered = {phase: datetime.fromisoformat(moment) for phase, moment in result["timeline"].items()}
    hours = (entered["downloading"] - entered["rendering"]) / timedelta(hours=1)
    assert 9.6 < hours < 10.1
    lengths = await history_lengths(client, handle)
    assert sum(lengths) < asked
    assert max(lengths) < EVENTS_PER_RUN + 50
    assert (await progress(handle))["polls"] == asked


async def test_a_server_that_lists_no_runs_holds_nothing_up_and_teaches_nothing(
    client: Client, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    handle = await Runs(client, QUEUE).start(request=request(word), task_id=word, poll={})
    await outcome(handle)
    estimate = (await progress(handle))["estimate"]
    assert (estimate["based_on"], estimate["level"], estimate["since"]) == (0, "default", None)
    assert "render" not in await (await handle.describe()).memo()


async def history_lengths(client: Client, handle: Handle) -> list[int]:
    """Events of each run of the chain."""
    lengths, run_id = [], handle.first_execution_run_id
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        lengths.append(len(history.events))
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return lengths


async def test_an_outage_of_hours_never_fails_a_paid_render(client: Client, provider: Provider, word: str) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    provider.on_query[word] = lambda task: bad_gateway() if 2 < task.queries < 300 else None
    result = await outcome(await Runs(client, QUEUE).start(request=request(word), task_id=word, poll={}), 120)
    assert result["polls"] > 90


def unknown_task(provider: Provider, task: Task) -> Response:
    """As for an id that there never was."""
    return JSONResponse({"message": "No handler found for GET"}, 404)


def no_url(provider: Provider, task: Task) -> dict[str, Any]:
    """Finished, as for the first seconds after it."""
    return provider.status(task, "completed", video_url="")


def too_many(task: Task) -> Response:
    """Without a word about when to come again."""
    return JSONResponse({"message": "slow down"}, 429)


@pytest.mark.parametrize("answered", [2, 0], ids=["known", "adopted"])
@pytest.mark.parametrize("useless", [unknown_task, no_url])
async def test_one_useless_answer_after_an_outage_decides_nothing(
    client: Client, provider: Provider, word: str, useless: Callable[[Provider, Task], Any], answered: int
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})

    def answers(task: Task) -> Any:
        if task.queries <= answered:
            return provider.status(task, "processing")
        if task.queries <= 120:
            return bad_gateway()
        return useless(provider, task) if task.queries == 121 else None

    provider.on_query[word] = answers
    result = await outcome(await Runs(client, QUEUE).start(request=request(word), task_id=word, poll={}), 120)
    assert result["task_id"] == word


async def test_where_questions_are_far_apart_two_useless_answers_decide_nothing(
    client: Client, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    provider.on_query[word] = lambda task: no_url(provider, task) if task.queries in (2, 3) else None
    provider.tasks[word].queries = 1
    rhythm = {"interval": "PT6M", "max_interval": "PT6M"}
    result = await outcome(await Runs(client, QUEUE).start(request=request(word), task_id=word, poll=rhythm), 120)
    assert result["polls"] == 3


async def test_a_provider_that_says_too_many_is_asked_more_rarely(
    client: Client, provider: Provider, word: str
) -> None:
    async def questions(name: str, answer: Callable[[Task], Any]) -> float:
        provider.tasks[name] = Task(name, {"model": "sd2_manxue_720p", "prompt": name, "duration": 4, "ratio": "16:9"})
        provider.on_query[name] = lambda task: answer(task) if 1 < task.queries <= 40 else None
        result = await outcome(await Runs(client, QUEUE).start(request=request(name), task_id=name, poll={}), 120)
        entered = {phase: datetime.fromisoformat(moment) for phase, moment in result["timeline"].items()}
        return provider.tasks[name].queries / ((entered["downloading"] - entered["queued"]) / timedelta(minutes=1))

    usual = await questions(f"{word}usual", lambda task: provider.status(task, "processing"))
    assert await questions(f"{word}many", too_many) < usual / 2


async def test_the_wait_that_a_provider_asks_for_outlives_the_history(
    client: Client, provider: Provider, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(task: Task) -> Any:
        if task.queries != 9:
            return provider.moving(task) if task.queries < 9 else None
        return JSONResponse({"message": "slow down"}, 429, {"Retry-After": "3600"})

    continued = 0
    for events in range(60, 124, 4):  # in one of them the run continues as new just then
        monkeypatch.setattr(policies, "EVENTS_PER_RUN", events)
        name = f"{word}x{events}"
        provider.tasks[name] = Task(name, {"model": "sd2_manxue_720p", "prompt": name, "duration": 4, "ratio": "16:9"})
        provider.on_query[name] = answers
        handle = await Runs(client, QUEUE).start(request=request(name), task_id=name, poll={})
        result = await outcome(handle, 60)
        entered = {phase: datetime.fromisoformat(moment) for phase, moment in result["timeline"].items()}
        assert entered["downloading"] - entered["queued"] > timedelta(hours=1)
        continued += len(await history_lengths(client, handle)) - 1
    assert continued


async def test_a_status_that_nobody_documents_is_neither_success_nor_failure_for_a_bounded_time(
    client: Client, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    provider.on_query[word] = lambda task: provider.status(task, "pondering")
    failure = await Runs(client, QUEUE).failure(request=request(word), task_id=word, poll={})
    assert failure.type == "ResultIncomplete"
    assert "'pondering'" in failure.message
    assert failure.details[0]["task_id"] == word


async def test_completed_without_a_url_is_asked_about_again_and_then_reported(
    client: Client, provider: Provider, word: str
) -> None:
    for name, patience in ((f"{word}a", 3), (f"{word}b", 10**6)):
        provider.tasks[name] = Task(name, {"model": "sd2_manxue_720p", "prompt": name, "duration": 4, "ratio": "16:9"})
        provider.on_query[name] = lambda task, patience=patience: (  # type: ignore[misc]
            provider.status(task, "completed", video_url="") if task.queries < patience else None
        )
    runs = Runs(client, QUEUE)
    assert (await runs.result(request=request(f"{word}a"), task_id=f"{word}a", poll={}))["polls"] == 3
    assert (await runs.failure(request=request(f"{word}b"), task_id=f"{word}b", poll={})).type == "ResultIncomplete"


async def test_a_task_id_that_the_provider_does_not_know_is_bad_input(
    client: Client, provider: Provider, word: str
) -> None:
    failure = await Runs(client, QUEUE).failure(request=request(word), task_id="no-such-task", poll={})
    assert failure.type == "InvalidRequest"
    assert "no-such-task" in failure.message
