"""Paid once: whatever becomes of a create call, the provider is never asked twice unless somebody chose so."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.support.provider import Provider, bad_gateway, held_create, reached
from tests.support.runs import (
    FAST,
    Runs,
    cancel,
    failure_of,
    outcome,
    progress,
    request,
    reset,
    until,
    until_phase,
)


def once(answer: Callable[[], Any]) -> Callable[[dict[str, Any]], Any]:
    """Answer so the first time, and as usual afterwards."""
    left = [answer]
    return lambda body: left.pop()() if left else None


@pytest.mark.parametrize("seconds", [None, "1"])
async def test_what_was_not_accepted_is_submitted_again(
    runs: Runs, provider: Provider, word: str, seconds: str | None
) -> None:
    headers = {"Retry-After": seconds} if seconds else {}
    status = 503 if seconds else 429
    provider.on_create[word] = once(lambda: JSONResponse({"msg": "busy"}, status, headers))
    await runs.result(request=request(word), poll=FAST)
    assert len(provider.creates_of(word)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        bad_gateway,
        lambda: JSONResponse({"msg": "internal"}, 500),
        lambda: JSONResponse({"code": 0, "data": {}}),
        lambda: Response("<html>maintenance</html>", media_type="text/html"),
        lambda: JSONResponse({"msg": "try later"}, 503),
    ],
)
async def test_an_unknown_outcome_waits_for_a_decision(
    runs: Runs, provider: Provider, word: str, answer: Callable[[], Response]
) -> None:
    provider.on_create[word] = once(answer)
    handle = await runs.start(request=request(word), poll=FAST)
    held = await until_phase(handle, "needs_decision")
    assert held["decision"]["actions"] == ["adopt", "resubmit", "abandon"]
    await handle.execute_update("resolve_submission", {"action": "adopt", "task_id": list(provider.tasks)[-1]})
    assert (await outcome(handle))["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1


async def test_an_order_is_known_by_its_id_whatever_the_query_of_an_image_is(
    runs: Runs, provider: Provider, word: str
) -> None:
    def documented(body: dict[str, Any]) -> Response:
        return JSONResponse({"code": "0", "msg": None, "data": {"projectId": list(provider.tasks)[-1]}})

    provider.on_create[word] = documented
    for query in ("?0", "?a", "?task-"):
        image = provider.image("p.png", "red") + query
        result = await runs.result(request=request(f"{word} {query}", first_image=image), poll=FAST)
        assert result["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 3


async def test_resubmit_is_a_choice_that_buys_again(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_create[word] = once(bad_gateway)
    handle = await runs.start(request=request(word), poll=FAST)
    await until_phase(handle, "needs_decision")
    await handle.execute_update("resolve_submission", {"action": "resubmit"})
    await outcome(handle)
    assert len(provider.creates_of(word)) == 2


async def test_abandon_ends_the_run_as_unknown(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_create[word] = once(bad_gateway)
    handle = await runs.start(request=request(word), poll=FAST)
    await until_phase(handle, "needs_decision")
    await handle.execute_update("resolve_submission", {"action": "abandon"})
    assert (await failure_of(handle)).type == "SubmissionUnknown"


@pytest.mark.parametrize(("policy", "creates"), [("fail", 1), ("resubmit", 2)])
async def test_the_callers_policy_for_unknown_outcomes_is_honoured(
    runs: Runs, provider: Provider, word: str, policy: str, creates: int
) -> None:
    provider.on_create[word] = once(bad_gateway)
    handle = await runs.start(request=request(word), poll=FAST, on_unknown_submission=policy)
    if policy == "fail":
        assert (await failure_of(handle)).type == "SubmissionUnknown"
    else:
        await outcome(handle)
    assert len(provider.creates_of(word)) == creates


async def test_a_reset_to_before_the_submission_adopts_what_was_bought(
    runs: Runs, provider: Provider, word: str
) -> None:
    handle = await runs.start(request=request(word), poll=FAST)
    first = await outcome(handle)
    again = await reset(handle, 4)
    assert (await outcome(again))["task_id"] == first["task_id"]
    assert len(provider.creates_of(word)) == 1


async def test_a_reset_during_the_create_call_asks_instead_of_buying_again(
    runs: Runs, provider: Provider, word: str
) -> None:
    with held_create(provider, word):
        handle = await runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        again = await reset(handle, 4)
        held = await until_phase(again, "needs_decision")
    assert "earlier run" in held["message"]
    assert len(provider.creates_of(word)) == 1


async def test_the_same_workflow_id_started_again_delivers_the_same_render(
    runs: Runs, provider: Provider, word: str
) -> None:
    given = {"request": request(word), "poll": FAST}
    first = await outcome(await runs.start(given, workflow_id=word))
    second = await outcome(await runs.client.start_workflow("GenerateVideo", given, id=word, task_queue="manxue"))
    assert second["video"] == first["video"]
    assert len(provider.creates_of(word)) == 1


async def test_another_request_under_the_same_workflow_id_is_refused(runs: Runs, provider: Provider, word: str) -> None:
    start = runs.client.start_workflow
    await outcome(await start("GenerateVideo", {"request": request(word), "poll": FAST}, id=word, task_queue="manxue"))
    other = await start("GenerateVideo", {"request": request(f"{word} other")}, id=word, task_queue="manxue")
    failure = await failure_of(other)
    assert failure.type == "InvalidRequest"
    assert "workflow id" in failure.message
    assert len(provider.creates_of(word)) == 1


async def test_a_refused_submission_may_be_tried_again_under_the_same_workflow_id(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_create[word] = once(lambda: {"code": "1002", "msg": "insufficient balance"})
    start = runs.client.start_workflow
    given = {"request": request(word), "poll": FAST}
    first = await failure_of(await start("GenerateVideo", given, id=word, task_queue="manxue"))
    assert first.type == "InsufficientBalance"
    await outcome(await start("GenerateVideo", given, id=word, task_queue="manxue"))
    assert len(provider.creates_of(word)) == 2


async def test_a_decision_is_visible_and_refused_when_none_is_due(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll=FAST)
    await until(handle, lambda now: now["phase"] == "rendering")
    with pytest.raises(Exception, match="update failed"):
        await handle.execute_update("resolve_submission", {"action": "resubmit"})
    assert (await progress(handle))["decision"] is None
    await cancel(handle)


async def test_a_typing_error_in_a_task_id_does_not_spoil_the_workflow_id(
    runs: Runs, provider: Provider, word: str
) -> None:
    given = {"request": request(word), "poll": FAST}
    failure = await failure_of(await runs.start({**given, "task_id": "typing-error"}, workflow_id=word))
    assert failure.type == "InvalidRequest"
    assert (await outcome(await runs.start(given, workflow_id=word)))["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1


@pytest.mark.parametrize("args", [[], [None], [5], [{}], [{"action": "buy"}], [{"action": "adopt"}]])
async def test_a_decision_that_is_none_is_refused_with_what_to_give(
    runs: Runs, provider: Provider, word: str, args: list[Any]
) -> None:
    provider.on_create[word] = once(bad_gateway)
    handle = await runs.start(request=request(word), poll=FAST)
    await until_phase(handle, "needs_decision")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("resolve_submission", args=args)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "InvalidRequest"
    assert '{"action": "resubmit"}' in refused.value.cause.message
    assert (await progress(handle))["phase"] == "needs_decision"
    await cancel(handle)


@pytest.mark.parametrize("workflow_id", ["C:\\orders\\4711", 'say "hello"', "two\nlines"])
async def test_a_workflow_id_that_the_server_could_not_find_again_is_refused(
    runs: Runs, provider: Provider, word: str, workflow_id: str
) -> None:
    failure = await failure_of(await runs.start({"request": request(word)}, workflow_id=f"{workflow_id}{word}"))
    assert failure.type == "InvalidRequest"
    assert failure.details[0]["problems"][0]["field"] == "workflow id"
    assert provider.creates_of(word) == []


@pytest.mark.parametrize("policy", ["hold", "resubmit"])
async def test_a_reset_after_a_resubmission_adopts_what_that_bought(
    runs: Runs, provider: Provider, word: str, policy: str
) -> None:
    provider.on_create[word] = once(bad_gateway)
    handle = await runs.start(request=request(word), poll=FAST, on_unknown_submission=policy)
    if policy == "hold":
        await until_phase(handle, "needs_decision")
        await handle.execute_update("resolve_submission", {"action": "resubmit"})
    first = await outcome(handle)
    events = [event async for event in handle.fetch_history_events()]
    tasks = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    decided = max(event.event_id for event in events if is_submission(event))
    again = await reset(handle, max(task for task in tasks if task < decided))
    assert (await outcome(again))["task_id"] == first["task_id"]
    assert len(provider.creates_of(word)) == 2


def is_submission(event: HistoryEvent) -> bool:
    """Whether a submit activity is scheduled here."""
    return event.activity_task_scheduled_event_attributes.activity_type.name == "submit"


async def test_the_policy_resubmit_pays_twice_at_most_and_then_asks(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_create[word] = lambda body: bad_gateway()
    handle = await runs.start(request=request(word), poll=FAST, on_unknown_submission="resubmit")
    await until_phase(handle, "needs_decision")
    assert len(provider.creates_of(word)) == 2
    await cancel(handle)


async def test_a_refusal_after_an_unknown_outcome_says_that_something_may_have_been_bought(
    runs: Runs, provider: Provider, word: str
) -> None:
    answers: list[Callable[[], Any]] = [lambda: JSONResponse({"msg": "no credit"}, 402), bad_gateway]
    provider.on_create[word] = lambda body: answers.pop()()
    failure = await runs.failure(request=request(word), poll=FAST, on_unknown_submission="resubmit")
    assert failure.type == "InsufficientBalance"
    assert "may have been accepted" in failure.message


async def test_an_answer_is_awaited_nearly_as_long_as_the_create_call_may_take(
    runs: Runs, provider: Provider, word: str
) -> None:
    """Within the create call's timeout of 60 s without a byte."""
    with held_create(provider, word) as answer:
        handle = await runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        await asyncio.sleep(50)
        assert (await progress(handle))["phase"] == "submitting"
        answer.set()
        assert (await outcome(handle))["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1
