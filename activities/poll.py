"""How is the task? One question to the provider, or several while the answer stays the same.

The questions of one activity cost neither events nor a workflow task. An attempt asks once and then, where the next
question is due at about the time that an attempt may take, once more: that wait is a timer in this process, for which
the activity completes asynchronously, so it takes none of the worker's slots. For any other question it asks Temporal
for another attempt. A worker that dies takes its waits with it, and the heartbeat timeout tells the server some seconds
after the question was due; a worker that stops hands them back.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import datetime
from typing import NoReturn, Self, assert_never

import structlog
from temporalio import activity
from temporalio.client import AsyncActivityHandle
from temporalio.exceptions import ApplicationError

from activities.errors import from_provider
from activities.heartbeat import heartbeating
from activities.poll_attempt import Attempt, Further, PollAnswer
from manxue.answers import Completed, Failed, Processing, Queued, TaskStatus, Unrecognized
from manxue.client import ManxueClient
from manxue.errors import ManxueError

log = structlog.stdlib.get_logger("poll")

sleep = asyncio.sleep
"""Another one where time is skipped."""

_QUICK = 2.5
"""Seconds for the answer after a wait; what takes longer is left to another attempt, which heartbeats."""
_STOPPING = 5.0
"""Seconds in which a worker that stops hands its waits back."""
_NOTABLE = 10.0
"""Percentage points that a render must have come further for its run to be told before the last question."""


class Poll:
    """Asks, through the worker's one client. Leaving it hands back the questions it waits for."""

    def __init__(self, manxue: ManxueClient, new_context: Callable[[], Context] = copy_context) -> None:
        """`new_context` is for what waits: an activity's own is needed for traces, and large."""
        self._manxue, self._new_context = manxue, new_context
        self._tasks = set[asyncio.Task[None]]()
        self._waiting = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._waiting:
            task.cancel()
        if self._tasks:
            left = (await asyncio.wait(self._tasks, timeout=_STOPPING))[1]
            if left:
                log.warning("poll.not_handed_back", polls=len(left))

    @activity.defn(name="poll")
    async def poll(self, task_id: str, further: Further | None = None) -> PollAnswer:
        """Ask once, or until there is something new. Fails with the kinds of activities.errors.

        A failure to get an answer is tried again by Temporal only where a single question was planned, and where the
        provider does not say that there are too many.
        """
        attempt = Attempt(task_id, further)
        if further and further.first and further.first > attempt.now():
            self._go_on_at(further.first, attempt)
        async with heartbeating():
            outcome = await self._ask(attempt)
        if isinstance(outcome, datetime):
            self._go_on_at(outcome, attempt)
        return outcome

    def _go_on_at(self, moment: datetime, attempt: Attempt) -> NoReturn:
        """End the activity function, not the activity."""
        if activity.is_worker_shutdown() or not attempt.may_wait_until(moment):
            raise attempt.asks_again_at(moment)
        handle = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
        context = self._new_context()
        task = asyncio.create_task(self._wait(moment, attempt, handle), context=context)
        self._tasks.add(task)
        self._waiting.add(task)
        task.add_done_callback(self._tasks.discard, context=context)
        activity.raise_complete_async()

    async def _wait(self, moment: datetime, attempt: Attempt, handle: AsyncActivityHandle) -> None:
        """Ask at that moment, unless the worker stops before, and tell Temporal."""
        task = asyncio.current_task()
        assert task
        try:
            await sleep((moment - attempt.now()).total_seconds())
        except asyncio.CancelledError:
            await attempt.tell(attempt.asks_again_at(moment), handle)
        else:
            self._waiting.discard(task)
            attempt.not_before = moment
            await attempt.tell(await self._ask_quickly(attempt), handle)

    async def _ask_quickly(self, attempt: Attempt) -> PollAnswer | ApplicationError:
        try:
            async with asyncio.timeout(_QUICK):
                outcome = await self._ask(attempt)
        except TimeoutError:
            attempt.said = f"the provider did not answer within {_QUICK} s; it is asked again"
            return attempt.asks_again_at(attempt.now())
        except ApplicationError as error:
            return error
        except Exception:  # whatever it is, another attempt meets it within its function, and tells
            log.exception("poll.broke_off", **attempt.run)
            return attempt.asks_again_at(attempt.now())
        return attempt.asks_again_at(outcome) if isinstance(outcome, datetime) else outcome

    async def _ask(self, attempt: Attempt) -> PollAnswer | datetime:
        """The answer; or when to ask again, where it says nothing new."""
        unchanged_at, asked_at, moments = attempt.asked_at or attempt.asked_before(), attempt.now(), attempt.moments
        try:
            answer = _answer(await self._manxue.query(attempt.task_id))
        except ManxueError as error:
            raise from_provider(error, waits=False, retried=attempt.further is None) from None
        attempt.asked_at, attempt.said = asked_at, _said(answer)
        answer.asked_at, answer.unchanged_at = asked_at, unchanged_at
        answer.polls = 1 + sum(moment <= asked_at for moment in moments)
        following = next((moment for moment in moments if moment > attempt.now()), None)
        return answer if following is None or _is_news(answer, attempt.further) else following


def _said(answer: PollAnswer) -> str:
    done = "" if answer.percent is None else f" ({answer.percent:.0f} %)"
    return f"the provider says “{answer.word}”{done}; it is asked again"


def _is_news(answer: PollAnswer, further: Further | None) -> bool:
    if further is None or answer.word != further.word:
        return True
    if answer.percent is None or further.percent is None:
        return answer.percent is not further.percent
    return abs(answer.percent - further.percent) >= _NOTABLE


def _answer(status: TaskStatus) -> PollAnswer:
    match status:
        case Queued():
            return PollAnswer(status="queued", word="queued")
        case Processing():
            return PollAnswer(status="processing", word="processing", percent=status.percent)
        case Completed():
            return PollAnswer(
                status="completed" if status.video_url else "completed_without_url",
                word="completed",
                created=status.created,
                actual_duration=status.actual_duration,
                amount=status.amount,
            )
        case Failed():
            return PollAnswer(status="failed", word="failed", reason=status.reason)
        case Unrecognized():
            return PollAnswer(status="unrecognized", word=status.word)
        case _:
            assert_never(status)
