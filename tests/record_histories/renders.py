"""Every branch of `GenerateVideo`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec, WorkflowFailureError

from tests.record_histories.stage import ASLEEP, QUEUE, Scene, Stage
from tests.support.provider import Task, bad_gateway, held_create, reached
from tests.support.runs import FAST, Handle, request, reset, until, until_phase
from tests.support.video import mp4
from workflows.policies import EVENTS_PER_RUN


async def ended(handle: Handle) -> None:
    """Wait for an end, whichever."""
    with suppress(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 120)


def first(*answers: Callable[[], Any]) -> Callable[[Any], Any]:
    """The answers in turn, and then the ordinary one."""
    left = list(answers)
    return lambda _: left.pop(0)() if left else None


def rendering(on: Stage, word: str) -> None:
    """The provider does not come to an end."""
    on.provider.on_query[f"[{word}]"] = lambda task: on.provider.status(task, "processing", progress=40)


async def held(on: Stage, word: str, *answers: Callable[[], Any], **more: Any) -> Handle:
    """A run that asks what to do."""
    on.provider.on_create[f"[{word}]"] = first(*(answers or (bad_gateway,)))
    handle = await on.render(word, **more)
    await until_phase(handle, "needs_decision")
    return handle


async def decided(handle: Handle, **resolution: Any) -> None:
    """Decide, and wait for the end."""
    await handle.execute_update("resolve_submission", resolution)
    await ended(handle)


async def success(on: Stage, word: str) -> None:
    """All fields of the input that change nothing of its course."""
    await ended(await on.render(word, tenant="acme", priority=2, preview=False, deadline="PT1H", strict_media=True))


async def reviewed(on: Stage, word: str) -> None:
    """Two images under the names of old; the run is woken by the verdict on each."""
    on.asset_states[word] = "Processing"
    on.asset_states[f"{word}-last"] = "Processing"
    images = {"image": on.image(word), "lastFrameImage": on.image(f"{word}-last")}
    handle = await on.render(word, request=images)
    await until_phase(handle, "reviewing_assets")
    await until(on.client.get_workflow_handle(word), lambda now: "under review" in now["message"])
    on.asset_states[word] = "Active"
    await asyncio.sleep(4)
    on.asset_states[f"{word}-last"] = "Active"
    await ended(handle)


async def review_refused(on: Stage, word: str) -> None:
    on.asset_states[word] = "Failed"
    await ended(await on.render(word, request={"first_image": on.image(word)}))


async def held_adopted(on: Stage, word: str) -> None:
    handle = await held(on, word)
    task_id = next(task.id for task in on.provider.tasks.values() if f"[{word}]" in task.body["prompt"])
    await decided(handle, action="adopt", task_id=task_id)


async def held_resubmitted(on: Stage, word: str) -> None:
    await decided(await held(on, word), action="resubmit")


async def held_abandoned(on: Stage, word: str) -> None:
    await decided(await held(on, word), action="abandon")


async def held_cancelled(on: Stage, word: str) -> None:
    handle = await held(on, word)
    await handle.cancel()
    await ended(handle)


async def held_still(on: Stage, word: str) -> None:
    await held(on, word)


async def unknown_fails(on: Stage, word: str) -> None:
    on.provider.on_create[f"[{word}]"] = first(bad_gateway)
    await ended(await on.render(word, on_unknown_submission="fail"))


async def unknown_resubmitted(on: Stage, word: str) -> None:
    """By the caller's policy once, and then the run asks; refused after that."""

    def no_credit() -> Response:
        return JSONResponse({"msg": "no credit"}, 402)

    handle = await held(on, word, bad_gateway, bad_gateway, no_credit, on_unknown_submission="resubmit")
    await decided(handle, action="resubmit")


async def not_accepted(on: Stage, word: str) -> None:
    busy = JSONResponse({"msg": "busy"}, 429, {"Retry-After": "1"})
    on.provider.on_create[f"[{word}]"] = first(lambda: busy, lambda: JSONResponse({"msg": "busy"}, 429))
    await ended(await on.render(word))


async def submission_refused(on: Stage, word: str) -> None:
    on.provider.on_create[f"[{word}]"] = first(lambda: {"code": 1001, "msg": "bad parameter"})
    await ended(await on.render(word))


async def render_failed(on: Stage, word: str) -> None:
    on.provider.on_query[f"[{word}]"] = lambda task: on.provider.status(task, "failed", error={"message": "too dark"})
    await ended(await on.render(word))


async def deadline(on: Stage, word: str) -> None:
    rendering(on, word)
    await ended(await on.render(word, deadline=3))


async def outage(on: Stage, word: str) -> None:
    """No answer, no URL and an unknown status on the way to the video."""
    odd = {0: None, 1: "odd", 2: "without"}

    def answer(task: Task) -> Any:
        if task.queries <= 4:
            return bad_gateway()
        match odd.get(task.queries - 4):
            case "odd":
                return on.provider.status(task, "pondering")
            case "without":
                return on.provider.status(task, "completed", video_url="")
        return None

    on.provider.on_query[f"[{word}]"] = answer
    await ended(await on.render(word))


async def polled_on_request(on: Stage, word: str) -> None:
    handle = await on.render(word, poll=ASLEEP)
    await until(handle, lambda now: now["next_poll_at"] is not None)
    for _ in range(3):
        await handle.execute_update("poll_now")
    await ended(handle)


async def asked_between(on: Stage, word: str) -> None:
    """By `poll_now`, between two questions of one poll; then one of them has no answer."""

    def answer(task: Task) -> Any:
        if task.queries == 7:
            return bad_gateway()
        return on.provider.status(task, "processing") if task.queries < 10 else None

    on.provider.on_query[f"[{word}]"] = answer
    handle = await on.render(word)
    await until(handle, lambda now: now["polls"] >= 3)
    await handle.execute_update("poll_now")
    await ended(handle)


async def cancelled_between(on: Stage, word: str) -> None:
    """Two questions of one poll."""
    rendering(on, word)
    handle = await on.render(word)
    await until(handle, lambda now: now["polls"] >= 3)
    await handle.cancel()
    await ended(handle)


async def cancelled_waiting(on: Stage, word: str) -> None:
    handle = await on.render(word, poll=ASLEEP)
    await until(handle, lambda now: now["next_poll_at"] is not None)
    await handle.cancel()
    await ended(handle)


async def cancelled_in_review(on: Stage, word: str) -> None:
    on.asset_states[word] = "Processing"
    handle = await on.render(word, request={"first_image": on.image(word)})
    await until(handle, lambda now: "under review" in now["message"])
    await handle.cancel()
    await ended(handle)


async def cancelled_in_the_call(on: Stage, word: str) -> None:
    with held_create(on.provider, f"[{word}]") as answer:
        handle = await on.render(word)
        await reached(on.provider, f"[{word}]")
        await handle.cancel()
        answer.set()
        await ended(handle)


async def waiting_still(on: Stage, word: str) -> None:
    rendering(on, word)
    handle = await on.render(word, poll=ASLEEP)
    await until(handle, lambda now: now["next_poll_at"] is not None)
    for _ in range(3):
        await handle.execute_update("poll_now")


async def adopted_task(on: Stage, word: str) -> None:
    on.provider.tasks[word] = Task(word, request(word, ratio="16:9"), queries=5)
    await ended(await on.render(word, task_id=word, request={"ratio": "16:9"}))


async def unknown_task(on: Stage, word: str) -> None:
    await ended(await on.render(word, task_id="nowhere", poll={"first": 1, "interval": 5}))


async def invalid_request(on: Stage, word: str) -> None:
    await ended(await on.render(word, request={"duration": 99}, prority=1))


async def invalid_input(on: Stage, word: str) -> None:
    await ended(await on.client.start_workflow("GenerateVideo", "nonsense", id=word, task_queue=QUEUE))


async def no_argument(on: Stage, word: str) -> None:
    await ended(await on.client.start_workflow("GenerateVideo", id=word, task_queue=QUEUE))


async def three_arguments(on: Stage, word: str) -> None:
    await ended(await on.client.start_workflow("GenerateVideo", args=[1, 2, 3], id=word, task_queue=QUEUE))


async def video_invalid(on: Stage, word: str) -> None:
    small = mp4(320, 180, 4)
    on.provider.on_create[f"[{word}]"] = lambda body: on.provider.files.update({list(on.provider.tasks)[-1]: small})
    await ended(await on.render(word))


async def reset_later(on: Stage, word: str) -> None:
    """The second run adopts what the first one bought."""
    handle = await on.render(word)
    await ended(handle)
    await ended(await reset(handle, 4))


async def started_again(on: Stage, word: str) -> None:
    for _ in range(2):
        await ended(await on.render(word))


async def long_wait(on: Stage, word: str) -> None:
    """So many polls that the run continues as new by itself, twice, with updates on their way."""
    rendering(on, word)
    handle = await on.render(word, poll=ASLEEP)
    await until(handle, lambda now: now["next_poll_at"] is not None)
    polls = 0
    while polls * 11 < 1.2 * EVENTS_PER_RUN:
        polls = (await handle.execute_update("poll_now"))["polls"]
    del on.provider.on_query[f"[{word}]"]
    await handle.execute_update("poll_now")
    await ended(handle)


async def scheduled(on: Stage, word: str) -> None:
    """A request that follows the time it is planned for."""
    body = request(f"[{word}] {{{{ counter }}}} {{{{ date }}}} {{{{ pick(animals) }}}}")
    given = {"request": body, "template": {"lists": {"animals": ["cat", "dog"]}}, "poll": FAST}
    action = ScheduleActionStartWorkflow("GenerateVideo", given, id=word, task_queue=QUEUE)
    schedule = await on.client.create_schedule(word, Schedule(action, ScheduleSpec()))
    await schedule.trigger()
    async with asyncio.timeout(30):
        while not (started := (await schedule.describe()).info.recent_actions):
            await asyncio.sleep(0.2)
    await ended(on.client.get_workflow_handle(started[0].action.workflow_id))  # type: ignore[attr-defined]


async def killed_before_sending(on: Stage, word: str) -> None:
    await _killed(on, word, "before sending is recorded")


async def killed_after_acceptance(on: Stage, word: str) -> None:
    await _killed(on, word, "after accepted is recorded")


async def _killed(on: Stage, word: str, point: str) -> None:
    dying = await on.worker(word, point)
    handle = await on.render(word, queue=word)
    await asyncio.to_thread(dying.process.wait, 30)
    await on.worker(word)
    await ended(handle)


async def upgraded(on: Stage, word: str) -> None:
    """A run of a versioned worker, which moves to the next version when its poll has asked all that it plans."""
    rendering(on, word)
    await on.version(word, "first")
    handle = await on.render(word, queue=word)
    await until_phase(handle, "rendering")
    await on.version(word, "second")
    before = (await handle.describe()).run_id
    async with asyncio.timeout(140):
        while (await handle.describe()).run_id == before:
            await asyncio.sleep(0.2)
    del on.provider.on_query[f"[{word}]"]
    await ended(handle)


SCENES: tuple[Scene, ...] = (
    killed_before_sending,  # the longest first
    killed_after_acceptance,
    unknown_task,
    success,
    reviewed,
    review_refused,
    held_adopted,
    held_resubmitted,
    held_abandoned,
    held_cancelled,
    held_still,
    unknown_fails,
    unknown_resubmitted,
    not_accepted,
    submission_refused,
    render_failed,
    deadline,
    outage,
    polled_on_request,
    asked_between,
    cancelled_between,
    cancelled_waiting,
    cancelled_in_review,
    cancelled_in_the_call,
    waiting_still,
    adopted_task,
    invalid_request,
    invalid_input,
    no_argument,
    three_arguments,
    video_invalid,
    reset_later,
    started_again,
    long_wait,
    scheduled,
    upgraded,
)
