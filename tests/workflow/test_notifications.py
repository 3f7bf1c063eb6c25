"""Days of telling somebody who does not listen, in the time-skipping server, with real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment

import media.post
from tests.support.processes import free_port
from tests.support.provider import Provider, Task
from tests.support.receiver import Answer, Receiver
from tests.support.runs import Handle, Runs, outcome, request, undelivered

QUEUE = "hours"
QUERY = "token=receivers-own-secret"
Adopt = Callable[..., Awaitable[Handle]]


@pytest.fixture
def adopt(client: Client, provider: Provider, word: str) -> Adopt:
    """Starts a run that adopts a finished task and notifies these URLs."""

    async def adopt(*urls: str, **more: Any) -> Handle:
        provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
        notify = [{"url": url} for url in urls]
        return await Runs(client, QUEUE).start(request=request(word), task_id=word, notify=notify, **more)

    return adopt


def report_of(result: dict[str, Any]) -> dict[str, Any]:
    """Of the one notification."""
    (report,) = result["notifications"]
    return dict(report)


class Later:
    """The delivery of a run's one notification, looked at after days that are skipped."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle(self, result: dict[str, Any]) -> Handle:
        """Of the `DeliverNotification`; time is skipped only for one that this client has started, or seems to."""
        workflow_id = report_of(result)["workflow_id"]
        handle: Handle = self._client.get_workflow_handle(workflow_id)
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            joined = WorkflowIDConflictPolicy.USE_EXISTING
            handle = await self._client.start_workflow(
                "DeliverNotification", id=workflow_id, task_queue=QUEUE, id_conflict_policy=joined
            )
        return handle

    async def delivered(self, result: dict[str, Any]) -> dict[str, Any]:
        """Its result."""
        delivered: dict[str, Any] = await asyncio.wait_for((await self.handle(result)).result(), 60)
        return delivered


@pytest.fixture
def later(client: Client) -> Later:
    """Looks at deliveries later."""
    return Later(client)


async def test_a_receiver_that_is_away_keeps_no_result_back_and_is_told_when_it_is_there(
    env: WorkflowEnvironment, adopt: Adopt, later: Later
) -> None:
    port = free_port()
    handle = await adopt(f"http://127.0.0.1:{port}/hook?{QUERY}")
    result = await outcome(handle)
    assert result["video"]["uri"]
    assert report_of(result)["state"] == "pending"
    (warning,) = [warning for warning in result["warnings"] if warning["field"].startswith("notify")]
    assert report_of(result)["workflow_id"] in warning["hint"]
    assert QUERY not in str(result)
    await env.sleep(timedelta(days=1))
    receiver = Receiver(port).start()
    await later.delivered(result)
    (message,) = receiver.at("/hook")
    assert message.verified()["data"]["result"]["video"] == result["video"]
    receiver.stop()


async def test_after_days_the_delivery_gives_up_and_says_why_without_the_query(
    client: Client, adopt: Adopt, later: Later
) -> None:
    result = await outcome(await adopt(f"http://127.0.0.1:{free_port()}/hook?{QUERY}"))
    failure = await undelivered(await later.handle(result))
    assert failure.type == "NotificationUndelivered"
    assert "ConnectError" in failure.message
    history = await (await later.handle(result)).fetch_history()
    inputs = ("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")
    shown = [event for event in history.to_json_dict()["events"] if event["eventType"] not in inputs]
    assert QUERY not in str(shown)
    events = history.events
    assert events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime() > timedelta(days=2, hours=22)


async def test_a_receiver_that_wants_no_more_is_not_asked_again(
    adopt: Adopt, later: Later, receiver: Receiver, word: str
) -> None:
    receiver.answers[f"/{word}"] = lambda number: Answer(410)
    result = await outcome(await adopt(f"{receiver.url}/{word}"))
    assert report_of(result)["state"] == "given_up"
    assert "410" in report_of(result)["message"]
    assert (await undelivered(await later.handle(result))).type == "NotificationUndelivered"
    assert len(receiver.at(f"/{word}")) == 1


async def test_a_wait_that_the_receiver_asks_for_is_kept_and_a_redirect_is_not_followed(
    adopt: Adopt, later: Later, receiver: Receiver, word: str
) -> None:
    answers = [
        Answer(503, {"Retry-After": "3600"}),
        Answer(307, {"Location": f"{receiver.url}/elsewhere"}),
        Answer(404),
        Answer(200, endless=True),
    ]
    receiver.answers[f"/{word}"] = lambda number: answers[number - 1]
    result = await outcome(await adopt(f"{receiver.url}/{word}"))
    assert (await later.delivered(result))["attempts"] == len(answers)
    description = await (await later.handle(result)).describe()
    assert description.close_time
    assert description.close_time - description.start_time > timedelta(hours=1)
    assert receiver.at("/elsewhere") == []
    assert len({(m.headers["webhook-id"], m.body) for m in receiver.at(f"/{word}")}) == 1


@pytest.mark.parametrize("hostile", [Answer(hangs=True), Answer(drip=True)], ids=["hangs", "drips"])
async def test_a_receiver_that_never_finishes_its_answer_is_left(
    adopt: Adopt, later: Later, receiver: Receiver, word: str, hostile: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.post, "SECONDS", 0.3)
    receiver.answers[f"/{word}"] = lambda number: hostile if number < 3 else Answer()
    result = await outcome(await adopt(f"{receiver.url}/{word}"))
    assert (await later.delivered(result))["attempts"] == 3


async def test_a_name_that_has_no_address_is_a_warning_and_the_run_goes_on(adopt: Adopt) -> None:
    result = await outcome(await adopt("http://no-such-host.invalid/hook"))
    assert ("notify[0].url", "unreachable") in [(w["field"], w["rule"]) for w in result["warnings"]]
