"""How is the task? One question to the provider, or several while the answer stays the same.

The questions of one activity cost neither events nor a workflow task. An attempt asks once and then, where the next
question is due at about the time that an attempt may take, once more: that wait is a timer in this process, for which
the activity completes asynchronously, so it takes none of the worker's slots. For any other question it asks Temporal
for another attempt. A worker that dies takes its waits with it, and the heartbeat timeout tells the server some seconds
after the question was due; a worker that stops hands them back.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, NoReturn, Self, assert_never

import structlog
from pydantic import AwareDatetime, BaseModel
from temporalio import activity
from temporalio.client import AsyncActivityHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.errors import from_provider, not_finished
from activities.heartbeat import heartbeating
from manxue.answers import Completed, Failed, Processing, Queued, TaskStatus, Unrecognized
from manxue.client import ManxueClient
from manxue.errors import ManxueError

log = structlog.stdlib.get_logger("poll")
sleep = asyncio.sleep
"""Another one where time is skipped."""

SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=3)
"""For a question, by an attempt itself. Who asks more often wants to be told soon, though a worker died."""
WAIT_ENDS_BEFORE = timedelta(seconds=3)
"""The heartbeat timeout, for the question after it. So late, at least, is that question where the worker died."""
_ABOUT = timedelta(seconds=5)
"""By which a wait may end sooner than the longest for which the heartbeat timeout leaves room."""
_QUICK = 2.5
"""Seconds for the answer after a wait; what takes longer is left to another attempt, which heartbeats."""
_STOPPING = 5.0
"""Seconds in which a worker that stops hands its waits back."""
_AT_ONCE = timedelta(milliseconds=1)
_ROUNDED = timedelta(seconds=1)
_ON_TIME = timedelta(seconds=2)
"""By which the server may start an attempt later than the one before it asked for."""
_NOTABLE = 10.0
"""Percentage points that a render must have come further for its run to be told before the last question."""


class Further(BaseModel):
    """When a poll asks, if not once and at once: again and again, unless an answer says something new."""

    since: AwareDatetime
    seconds: list[float]
    """When, after `since`, ascending."""
    word: str
    """The provider's word for the task as the run knows it."""
    percent: float | None = None
    """Likewise."""
    first: AwareDatetime | None = None
    """When the first question is due; None for at once."""

    def moments(self) -> list[datetime]:
        """When."""
        return [self.since + timedelta(seconds=seconds) for seconds in self.seconds]


class PollAnswer(BaseModel):
    """The provider's answer without its URL, which is a secret and soon expires."""

    status: Literal["queued", "processing", "completed", "completed_without_url", "failed", "unrecognized"]
    word: str
    """The provider's own word for it."""
    percent: float | None = None
    reason: str = ""
    created: int | None = None
    actual_duration: float | None = None
    amount: float | None = None
    polls: int = 1
    """How many questions it took."""
    asked_at: datetime | None = None
    """When the last one was sent, by the Temporal server's clock."""
    unchanged_at: datetime | None = None
    """When the one before it was sent, whose answer said nothing new."""


class Poll:
    """Asks, through the worker's one client. Leaving it hands back the questions it waits for."""

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue
        self._tasks = set[asyncio.Task[None]]()
        self._waiting = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._waiting:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOPPING)

    @activity.defn(name="poll")
    async def poll(self, task_id: str, further: Further | None = None) -> PollAnswer:
        """Ask once, or until there is something new. Fails with the kinds of activities.errors.

        A failure to get an answer is tried again by Temporal only where a single question was planned, and where the
        provider does not say that there are too many.
        """
        attempt = _Attempt(task_id, further)
        if further and further.first and further.first > attempt.now():
            self._go_on_at(further.first, attempt)
        async with heartbeating():
            outcome = await self._ask(attempt)
        if isinstance(outcome, datetime):
            self._go_on_at(outcome, attempt)
        return outcome

    def _go_on_at(self, moment: datetime, attempt: "_Attempt") -> NoReturn:
        """End the activity function, not the activity."""
        if activity.is_worker_shutdown() or not attempt.may_wait_until(moment):
            raise attempt.asks_again_at(moment)
        handle = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
        task = asyncio.create_task(self._wait(moment, attempt, handle))
        self._tasks.add(task)
        self._waiting.add(task)
        task.add_done_callback(self._tasks.discard)
        activity.raise_complete_async()

    async def _wait(self, moment: datetime, attempt: "_Attempt", handle: AsyncActivityHandle) -> None:
        """Ask at that moment, unless the worker stops before, and tell Temporal."""
        task = asyncio.current_task()
        assert task
        try:
            await sleep((moment - attempt.now()).total_seconds())
        except asyncio.CancelledError:
            await _tell(attempt.asks_again_at(moment), handle)
        else:
            self._waiting.discard(task)
            attempt.not_before = moment
            await _tell(await self._ask_quickly(attempt), handle)

    async def _ask_quickly(self, attempt: "_Attempt") -> PollAnswer | ApplicationError:
        try:
            async with asyncio.timeout(_QUICK):
                outcome = await self._ask(attempt)
        except TimeoutError:
            return attempt.asks_again_at(attempt.now())
        except ApplicationError as error:
            return error
        return attempt.asks_again_at(outcome) if isinstance(outcome, datetime) else outcome

    async def _ask(self, attempt: "_Attempt") -> PollAnswer | datetime:
        """The answer; or when to ask again, where it says nothing new."""
        unchanged_at, asked_at = attempt.asked_at or attempt.asked_before(), attempt.now()
        try:
            answer = _answer(await self._manxue.query(attempt.task_id))
        except ManxueError as error:
            raise from_provider(error, waits=False, retried=not attempt.moments) from None
        attempt.asked_at, attempt.said = asked_at, _said(answer)
        answer.asked_at, answer.unchanged_at = asked_at, unchanged_at
        answer.polls = 1 + sum(moment <= asked_at for moment in attempt.moments)
        following = next((moment for moment in attempt.moments if moment > attempt.now()), None)
        return answer if following is None or _is_news(answer, attempt.further) else following


class _Attempt:
    """One of an activity: when it began, and what it has heard."""

    def __init__(self, task_id: str, further: Further | None) -> None:
        self._info, self._begun = activity.info(), monotonic()
        self.task_id, self.further = task_id, further
        self.moments = further.moments() if further else []
        """When to ask after the first question."""
        self.asked_at: datetime | None = None
        self.said = "the provider is asked first"
        self.not_before = self._info.started_time

    def now(self) -> datetime:
        """By the Temporal server's clock."""
        return max(self._info.started_time + timedelta(seconds=monotonic() - self._begun), self.not_before)

    def may_wait_until(self, moment: datetime) -> bool:
        """Whether the attempt lasts so long, and not much longer."""
        room = (self._info.heartbeat_timeout or timedelta(0)) - WAIT_ENDS_BEFORE
        taken = moment - self._info.started_time
        return moment - self.now() >= SHORTEST_WAIT and room - _ABOUT <= taken <= room + _ROUNDED

    def asks_again_at(self, moment: datetime) -> ApplicationError:
        """What makes Temporal start another attempt at that moment."""
        at = f"{moment.astimezone(UTC):%H:%M:%S} UTC"
        return not_finished(f"{self.said} at {at}", max(moment - self.now(), _AT_ONCE))

    def asked_before(self) -> datetime | None:
        """When the attempt before this one asked last; None where it may have died before it had an answer.

        One that was asked for begins when a question was planned, one after a death at any time.
        """
        first = self.further.first if self.further and self.further.first else self._info.scheduled_time
        begun = self._info.current_attempt_scheduled_time
        gone = [moment for moment in (first, *self.moments) if moment <= begun]
        return gone[-2] if len(gone) > 1 and begun - gone[-1] <= _ON_TIME else None


async def _tell(outcome: PollAnswer | ApplicationError, handle: AsyncActivityHandle) -> None:
    try:
        if isinstance(outcome, PollAnswer):
            await handle.complete(outcome)
        else:
            await handle.fail(outcome)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:  # so says the server where the poll was given up meanwhile
            log.warning("poll.answer_lost", error=error.message)


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
