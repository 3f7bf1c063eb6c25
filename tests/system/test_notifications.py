"""Who asked is told, verifiably, of whatever becomes of a run; whether it was told changes nothing about the run."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.support.patience import PATIENCE
from tests.support.processes import BIN, ROOT, DevServer, WorkerProcess, free_port, spawn, wait_for, worker_process
from tests.support.provider import Provider, bad_gateway
from tests.support.receiver import OLD_SECRET, SECRET, Answer, Message, Receiver
from tests.support.runs import (
    FAST,
    Handle,
    Runs,
    cancel,
    failure_of,
    outcome,
    progress,
    request,
    reset,
    undelivered,
    until,
    until_phase,
)
from workflows.webhook import AnyNotification, Notification

FOREIGN_SECRET = "whsec_" + "QUFB" * 11
QUERY = "token=receivers-own-secret"


def read(message: dict[str, object]) -> AnyNotification:
    """As the contract has it. Raises when it is something else."""
    return Notification.model_validate(message).root


async def test_the_end_of_a_run_is_told_once_signed_with_every_secret(
    runs: Runs, worker: WorkerProcess, receiver: Receiver, word: str
) -> None:
    told, other = f"{receiver.url}/{word}?{QUERY}", f"{receiver.url}/{word}-other"
    notify = [{"url": told}, {"url": other, "events": ["failed"]}]
    handle = await runs.start(request=request(word), notify=notify, tenant="red")
    result = await outcome(handle)
    (message,) = receiver.at(f"/{word}")
    assert message.path.endswith(QUERY)
    said = message.verified(SECRET)
    assert said == message.verified(OLD_SECRET)
    assert read(said).type == "video.completed"
    assert (said["data"]["workflow_id"], said["data"]["tenant"]) == (handle.id, "red")
    assert said["data"]["result"]["video"] == result["video"]
    assert receiver.at(f"/{word}-other") == []
    (report,) = result["notifications"]
    assert (report["event"], report["state"], report["message"]) == ("completed", "delivered", "answered 204")
    assert report["webhook_id"] == message.headers["webhook-id"]
    assert {"notifying", "completed"} <= set(result["timeline"])
    assert result["warnings"] == []
    shown = str(result) + str(await progress(handle)) + worker.log.read_text()
    assert handle.id in shown
    assert QUERY not in shown


async def test_a_failure_is_told_also_of_an_input_of_which_only_this_part_is_right(
    runs: Runs, provider: Provider, receiver: Receiver, word: str
) -> None:
    notify = [{"url": f"{receiver.url}/{word}"}]
    provider.on_create[word] = lambda body: {"code": 1001, "msg": "bad parameter"}
    refused = await runs.start(request=request(word), notify=notify)
    invalid = await runs.start(request={"model": "no-such-model"}, notify=notify)
    for handle, kind in ((refused, "SubmissionRefused"), (invalid, "InvalidRequest")):
        failure = await failure_of(handle)
        (said,) = (m.verified() for m in receiver.at(f"/{word}") if handle.id in m.body.decode())
        assert read(said).type == "video.failed"
        assert failure.type == said["data"]["failure"]["type"] == kind
        assert said["data"]["failure"]["message"] == failure.message
        assert failure.details[0].items() <= said["data"]["failure"].items()
        assert [report["state"] for report in (await progress(handle))["notifications"]] == ["delivered"]


async def test_a_decision_is_asked_for_while_the_run_waits_for_it(
    runs: Runs, provider: Provider, receiver: Receiver, word: str
) -> None:
    provider.on_create[word] = lambda body: bad_gateway()
    handle = await runs.start(request=request(word), notify=[{"url": f"{receiver.url}/{word}"}])
    (asked,) = await receiver.count(f"/{word}")
    assert read(asked.verified()).type == "video.needs_decision"
    assert asked.verified()["data"]["decision"]["actions"] == ["adopt", "resubmit", "abandon"]
    held = await until(handle, lambda now: now["notifications"] and now["notifications"][0]["state"] == "delivered")
    assert held["phase"] == "needs_decision"
    await handle.execute_update("resolve_submission", {"action": "abandon"})
    assert (await failure_of(handle)).type == "SubmissionUnknown"
    _, ended = receiver.at(f"/{word}")
    assert ended.verified()["type"] == "video.failed"
    assert ended.headers["webhook-id"] != asked.headers["webhook-id"]


async def test_a_cancellation_is_told_with_what_it_costs(
    runs: Runs, provider: Provider, receiver: Receiver, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), notify=[{"url": f"{receiver.url}/{word}"}])
    task_id = (await until_phase(handle, "rendering"))["task_id"]
    message = await cancel(handle)
    (told,) = await receiver.count(f"/{word}")
    said = told.verified()
    assert read(said).type == "video.canceled"
    assert (said["data"]["message"], said["data"]["task_id"]) == (message, task_id)


async def test_a_worker_killed_while_it_tells_is_followed_by_one_that_tells_the_same(
    folder: Path, worker_env: dict[str, str], runs: Runs, receiver: Receiver, word: str
) -> None:
    receiver.answers[f"/{word}"] = lambda number: Answer(hangs=number == 1)
    env = worker_env | {"MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env) as dying:
        handle = await Runs(runs.client, word).start(request=request(word), notify=[{"url": f"{receiver.url}/{word}"}])
        await receiver.count(f"/{word}")
        dying.kill()
    with worker_process(folder, env):
        first, second = await receiver.count(f"/{word}", 2, seconds=90)
        result = await outcome(handle)
    assert second.verified() == first.verified()
    assert second.body == first.body
    assert second.headers["webhook-id"] == first.headers["webhook-id"] == result["notifications"][0]["webhook_id"]


async def test_a_question_that_nobody_heard_is_told_on_while_the_run_continues_as_new(
    folder: Path, worker_env: dict[str, str], runs: Runs, provider: Provider, word: str
) -> None:
    port = free_port()
    provider.on_create[word] = lambda body: bad_gateway()
    provider.on_query[word] = lambda task: None if heard and task.queries > 8 else provider.moving(task)
    heard: list[Message] = []
    worker = WorkerProcess(folder, worker_env | {"MANXUE_TASK_QUEUE": word}, events=60).ready()
    notify = [{"url": f"http://127.0.0.1:{port}/hook", "events": ["needs_decision"]}]
    handle = await Runs(runs.client, word).start(request=request(word), notify=notify)
    await until_phase(handle, "needs_decision")
    await handle.execute_update("resolve_submission", {"action": "adopt", "task_id": list(provider.tasks)[-1]})
    await until(handle, lambda now: now["polls"] > 8)
    receiver = Receiver(port).start()
    heard += await receiver.count("/hook")
    result = await outcome(handle)
    worker.kill()
    receiver.stop()
    assert (await handle.describe()).run_id != handle.first_execution_run_id
    (report,) = result["notifications"]
    assert report["webhook_id"] == heard[0].headers["webhook-id"]
    assert len(receiver.messages) == 1


async def test_a_run_that_is_reset_tells_nobody_twice(runs: Runs, receiver: Receiver, word: str) -> None:
    handle = await runs.start(request=request(word), notify=[{"url": f"{receiver.url}/{word}"}])
    first = await outcome(handle)
    again = await outcome(await reset(handle, 4))
    assert [report["state"] for report in again["notifications"]] == ["delivered"]
    assert again["notifications"][0]["webhook_id"] == first["notifications"][0]["webhook_id"]
    assert len(receiver.at(f"/{word}")) == 1


async def test_each_run_of_a_batch_can_tell_of_its_end(runs: Runs, receiver: Receiver, word: str) -> None:
    more = {"poll": FAST, "notify": [{"url": f"{receiver.url}/{word}"}]}
    lines = [{"request": request(f"{word} {n}"), **more} for n in range(2)]
    given = {"requests": lines, "concurrency": 2}
    await runs.client.execute_workflow("GenerateBatch", given, id=f"batch-{word}", task_queue="manxue")
    messages = await receiver.count(f"/{word}", 2)
    assert {message.verified()["type"] for message in messages} == {"video.completed"}
    assert len({message.headers["webhook-id"] for message in messages}) == 2


async def test_a_receiver_at_a_forbidden_address_is_refused_before_anything_is_paid(
    runs: Runs, provider: Provider, receiver: Receiver, word: str
) -> None:
    notify = [{"url": f"{receiver.url}/{word}"}, {"url": "http://10.0.0.1/hook"}, {"url": "http://[::1]/hook"}]
    failure = await runs.failure(request=request(word), notify=notify)
    assert failure.type == "InvalidRequest"
    problems = failure.details[0]["problems"]
    assert [(p["field"], p["rule"]) for p in problems] == [("notify[1].url", "url"), ("notify[2].url", "url")]
    assert provider.creates_of(word) == []
    assert receiver.at(f"/{word}") == []


async def test_a_worker_without_a_secret_refuses_to_pay_for_what_it_cannot_tell(
    folder: Path, worker_env: dict[str, str], runs: Runs, provider: Provider, receiver: Receiver, word: str
) -> None:
    env = worker_env | {"MANXUE_WEBHOOK_SECRETS": "", "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env):
        other = Runs(runs.client, word)
        failure = await other.failure(request=request(word), notify=[{"url": f"{receiver.url}/{word}"}])
        assert (failure.type, failure.details[0]["problems"][0]["rule"]) == ("InvalidRequest", "unavailable")
        assert provider.creates_of(word) == []
        await other.result(request=request(word))


@pytest.mark.parametrize("secret", ["abc", "whsec_dG9vIHNob3J0", f"{SECRET},whsec_%%%", SECRET.removeprefix("whsec_")])
async def test_a_malformed_secret_keeps_a_worker_from_starting_and_is_not_shown(
    folder: Path, worker_env: dict[str, str], secret: str
) -> None:
    worker = WorkerProcess(folder, worker_env | {"MANXUE_WEBHOOK_SECRETS": secret})
    assert await asyncio.to_thread(worker.process.wait, 30) == 2
    said = worker.log.read_text()
    assert "MANXUE_WEBHOOK_SECRETS" in said
    assert secret not in said


async def test_an_operator_can_have_it_tried_at_once_and_again_after_it_was_given_up(
    server: DevServer, runs: Runs, worker: WorkerProcess, receiver: Receiver, word: str
) -> None:
    receiver.answers[f"/{word}"] = lambda number: Answer(503, {"Retry-After": "3600"}) if number == 1 else Answer(410)
    more = {"event": "completed", "about": word, "webhook_id": f"msg_{word}", "body": "{}"}
    given = {"url": f"{receiver.url}/{word}", **more}
    delivery = await runs.client.start_workflow("DeliverNotification", given, id=f"notify-{word}", task_queue="manxue")
    await receiver.count(f"/{word}")
    async with asyncio.timeout(PATIENCE):
        while not any(a.HasField("last_failure") for a in (await pending(delivery))):
            await asyncio.sleep(0.1)
    command = [str(BIN / "temporal"), "activity", "reset", "--address", server.address, "-w", delivery.id, "-a", "1"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    failure = await undelivered(delivery)
    assert failure.type == "NotificationUndelivered"
    receiver.answers[f"/{word}"] = lambda number: Answer()
    again = await reset(delivery, 4)
    assert (await asyncio.wait_for(again.result(), PATIENCE))["status"] == 204
    assert {message.headers["webhook-id"] for message in receiver.at(f"/{word}")} == {f"msg_{word}"}


async def test_a_receiver_that_asks_for_no_wait_is_tried_ever_less_often_all_the_same(
    runs: Runs, receiver: Receiver, word: str
) -> None:
    receiver.answers[f"/{word}"] = lambda number: Answer(503, {"Retry-After": "0"})
    more = {"event": "completed", "about": word, "webhook_id": f"msg_{word}", "body": "{}"}
    given = {"url": f"{receiver.url}/{word}", **more}
    delivery = await runs.client.start_workflow("DeliverNotification", given, id=f"notify-{word}", task_queue="manxue")
    waits: dict[int, float] = {}
    async with asyncio.timeout(PATIENCE):
        while len(waits) < 2:
            for told in await pending(delivery):
                if told.HasField("next_attempt_schedule_time"):
                    due, over = told.next_attempt_schedule_time, told.last_attempt_complete_time
                    waits[told.attempt] = (due.ToDatetime() - over.ToDatetime()).total_seconds()
            await asyncio.sleep(0.1)
    await delivery.terminate()
    assert [round(wait) for wait in waits.values()] == [5, 15]


async def pending(handle: Handle) -> list[Any]:
    """Its pending activities."""
    return list((await handle.describe()).raw_description.pending_activities)


async def test_the_example_of_a_receiver_takes_each_notification_once_and_no_forgery(
    runs: Runs, tmp_path: Path, word: str
) -> None:
    log, program = tmp_path / "receiver.log", ROOT / "examples" / "webhook_receiver" / "receiver.py"
    env = {**os.environ, "WEBHOOK_SECRETS": f"{FOREIGN_SECRET}, {OLD_SECRET}"}
    example = spawn([sys.executable, str(program), "0"], log, env, tmp_path)
    await asyncio.to_thread(wait_for, "listening at", log, example)
    url = log.read_text().split()[-1]
    handle = await runs.start(request=request(word), notify=[{"url": url}])
    result = await outcome(handle)
    message, now = f'{{"type":"video.new","data":{{"workflow_id":"{word}"}}}}', datetime.now(UTC)
    head = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        for secret, status in ((SECRET, 401), (OLD_SECRET, 204), (OLD_SECRET, 204)):
            signature = {"webhook-signature": Webhook(secret).sign("msg_1", now, message)}
            assert (await http.post(url, content=message, headers=head | signature)).status_code == status
    example.kill()
    lines = [line for line in log.read_text().splitlines() if line.startswith("video.")]
    assert lines[0] == f"video.completed {handle.id} {result['video']['uri']}"
    assert [line.split()[:2] for line in lines[1:]] == [["video.new", word]]
