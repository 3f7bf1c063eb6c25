"""How is the task? One question to the provider, or several while the answer stays the same.

The questions of one activity cost neither events nor a workflow task. An attempt waits for the next one by itself where
that is near, and else asks Temporal for another attempt at that moment; between two attempts nothing runs anywhere.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, assert_never

from pydantic import AwareDatetime, BaseModel
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.errors import from_provider, not_finished
from activities.heartbeat import heartbeating
from manxue.answers import Completed, Failed, Processing, Queued, TaskStatus, Unrecognized
from manxue.client import ManxueClient
from manxue.errors import ManxueError

_NOTABLE = 10.0
"""Percentage points that a render must have come further for its run to be told before the last question."""
WAITED_FOR = timedelta(seconds=10)
"""From the next question, for an attempt to wait for it by itself. Who asks more often wants to be told soon, and a
worker that dies while it waits is noticed late."""
_SPARE = timedelta(seconds=6)
"""Of the heartbeat timeout, that must be left when a wait is over, for the question after it."""
_SLOW = 2.0
"""Seconds after which such a question heartbeats."""
_AT_ONCE = timedelta(0)
_ON_TIME = timedelta(seconds=2)
"""By which the server may start an attempt later than the one before it asked for."""


class Further(BaseModel):
    """What a poll asks beyond its first question, unless an answer says something new."""

    since: AwareDatetime
    seconds: list[float]
    """When, after `since`, ascending."""
    word: str
    """The provider's word for the task as the run knows it."""
    percent: float | None = None
    """Likewise."""

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
    """Asks, through the worker's one client."""

    def __init__(self, manxue: ManxueClient, most_waiting: int = 0) -> None:
        """`most_waiting` attempts may wait for their next question at a time: each takes one of the worker's slots."""
        self._manxue = manxue
        self._most_waiting = most_waiting
        self.waiting = 0
        """Attempts that do."""

    @activity.defn(name="poll")
    async def poll(self, task_id: str, further: Further | None = None) -> PollAnswer:
        """Ask once, or until there is something new. Fails with the kinds of activities.errors.

        A failure to get an answer is tried again by Temporal only where no `further` questions were planned, and where
        the provider does not say that there are too many.
        """
        info, begun = activity.info(), monotonic()
        answer = await self._ask(task_id, further)
        answer.asked_at = asked_at = info.started_time
        if further is None:
            return answer

        def now() -> datetime:
            return max(info.started_time + timedelta(seconds=monotonic() - begun), asked_at)

        moments = further.moments()
        answer.unchanged_at = _previous(moments, info)
        while not _is_news(answer, further) and (later := [moment for moment in moments if moment > now()]):
            following = later[0]
            if not (self._may_wait(following, now(), info) and await self._wait(following - now())):
                raise _asks_again(answer, following, now())
            unchanged_at, asked_at = asked_at, max(following, now())
            answer = await self._ask(task_id, further, _SLOW)
            answer.asked_at, answer.unchanged_at = asked_at, unchanged_at
        answer.polls = 1 + sum(moment <= asked_at for moment in moments)
        return answer

    async def _ask(self, task_id: str, further: Further | None, longest: float = 10.0) -> PollAnswer:
        try:
            async with heartbeating(longest=longest):
                return _answer(await self._manxue.query(task_id))
        except ManxueError as error:
            raise from_provider(error, waits=False, retried=further is None) from None

    def _may_wait(self, until: datetime, now: datetime, info: activity.Info) -> bool:
        spare = (info.heartbeat_timeout or timedelta(0)) - _SPARE
        near = until - now >= WAITED_FOR and until - info.started_time <= spare
        return near and self.waiting < self._most_waiting

    async def _wait(self, time: timedelta) -> bool:
        """Whether it passed; False where the worker stops before."""
        self.waiting += 1
        try:
            await wait_while_running(time)
        finally:
            self.waiting -= 1
        return not activity.is_worker_shutdown()


async def wait_while_running(time: timedelta) -> None:
    """Until it has passed, or the worker is told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(activity.wait_for_worker_shutdown(), time.total_seconds())


def _asks_again(answer: PollAnswer, at: datetime, now: datetime) -> ApplicationError:
    """What makes Temporal start the next attempt at the given moment."""
    done = "" if answer.percent is None else f" ({answer.percent:.0f} %)"
    when = f"{at.astimezone(UTC):%H:%M:%S} UTC"
    return not_finished(
        f"the provider says “{answer.word}”{done}; it is asked again at {when}", max(at - now, _AT_ONCE)
    )


def _is_news(answer: PollAnswer, further: Further) -> bool:
    if answer.word != further.word:
        return True
    if answer.percent is None or further.percent is None:
        return answer.percent is not further.percent
    return abs(answer.percent - further.percent) >= _NOTABLE


def _previous(moments: list[datetime], info: activity.Info) -> datetime | None:
    """When the attempt before this one asked last; None where it may have died before it had an answer.

    One that was asked for begins when a question was planned, one after a death at any time.
    """
    begun = info.current_attempt_scheduled_time
    gone = [moment for moment in moments if moment <= begun]
    if not gone or begun - gone[-1] > _ON_TIME:
        return None
    return gone[-2] if len(gone) > 1 else info.scheduled_time


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
