"""How is the task? One question to the provider, or several while the answer stays the same.

Between the questions of one activity nothing runs anywhere: each is an attempt, which asks Temporal for the next one at
a given moment. So a question costs one attempt, and neither events nor a workflow task.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, assert_never

from pydantic import AwareDatetime, BaseModel
from temporalio import activity

from activities.errors import from_provider, not_finished
from activities.heartbeat import heartbeating
from manxue.answers import Completed, Failed, Processing, Queued, TaskStatus, Unrecognized
from manxue.client import ManxueClient
from manxue.errors import ManxueError

_NOTABLE = 10.0
"""Percentage points that a render must have come further for its run to be told before the last question."""


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

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue

    @activity.defn(name="poll")
    async def poll(self, task_id: str, further: Further | None = None) -> PollAnswer:
        """Ask once, or until there is something new. Fails with the kinds of activities.errors.

        A failure to get an answer is tried again by Temporal only where no `further` questions were planned, and where
        the provider does not say that there are too many.
        """
        begun = monotonic()
        try:
            async with heartbeating():
                status = await self._manxue.query(task_id)
        except ManxueError as error:
            raise from_provider(error, waits=False, retried=further is None) from None
        answer = _answer(status)
        info = activity.info()
        answer.asked_at = info.started_time
        if further:
            now = info.started_time + timedelta(seconds=monotonic() - begun)
            _ask_again(answer, further, info.attempt, now)
            answer.polls = info.attempt
            answer.unchanged_at = _previous(further.moments(), info)
        return answer


def _ask_again(answer: PollAnswer, further: Further, attempt: int, now: datetime) -> None:
    """Raise what makes Temporal start the next attempt at the next moment, where that is what is to be done."""
    later = [moment for moment in further.moments() if moment > now]
    if attempt > len(further.seconds) or not later or _is_news(answer, further):
        return
    done = "" if answer.percent is None else f" ({answer.percent:.0f} %)"
    at = later[0].astimezone(UTC)
    raise not_finished(f"the provider says “{answer.word}”{done}; it is asked again at {at:%H:%M:%S} UTC", at - now)


def _is_news(answer: PollAnswer, further: Further) -> bool:
    if answer.word != further.word:
        return True
    if answer.percent is None or further.percent is None:
        return answer.percent is not further.percent
    return abs(answer.percent - further.percent) >= _NOTABLE


def _previous(moments: list[datetime], info: activity.Info) -> datetime | None:
    """When the attempt before this one asked; None where it may have died before it had an answer."""
    gone = [moment for moment in moments if moment <= info.started_time]
    if not gone or info.attempt != len(gone) + 1:
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
