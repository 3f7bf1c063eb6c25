"""What a poll is asked and answers, and one attempt of it: when it began, and for how long it may go on."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

import structlog
from pydantic import AwareDatetime, BaseModel
from temporalio import activity
from temporalio.client import AsyncActivityHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.errors import NOT_FINISHED, not_finished

log = structlog.stdlib.get_logger("poll")

SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=0.5), timedelta(minutes=3)
"""For a question, by an attempt itself."""
WAIT_ENDS_BEFORE = timedelta(seconds=3)
"""The heartbeat timeout, for the question after it. So late, at least, is that question where the worker died."""
ABOUT = timedelta(seconds=5)
"""By which a wait may end sooner than the longest for which the heartbeat timeout leaves room."""
_AT_ONCE = timedelta(milliseconds=1)
_ROUNDED = timedelta(seconds=0.2)
_ON_TIME = timedelta(seconds=2)
"""By which the server may start an attempt later than the one before it asked for."""


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


class Attempt:
    """One of an activity: when it began, and what it has heard."""

    def __init__(self, task_id: str, further: Further | None) -> None:
        info = activity.info()
        self.run = {"workflow_id": info.workflow_id, "run_id": info.workflow_run_id}
        self._scheduled_at, self._asked_for = info.scheduled_time, info.current_attempt_scheduled_time
        self._room = (info.heartbeat_timeout or timedelta(0)) - WAIT_ENDS_BEFORE
        self._started, self._clock = info.started_time, monotonic()
        self.task_id, self.further = task_id, further
        self.asked_at: datetime | None = None
        self.said = "the provider is asked first"
        self.not_before = info.started_time

    @property
    def moments(self) -> list[datetime]:
        """When to ask after the first question."""
        return self.further.moments() if self.further else []

    def now(self) -> datetime:
        """By the Temporal server's clock."""
        return max(self._started + timedelta(seconds=monotonic() - self._clock), self.not_before)

    def may_wait_until(self, moment: datetime) -> bool:
        """Whether the attempt lasts so long, and not much longer."""
        taken = moment - self._started
        return moment - self.now() >= SHORTEST_WAIT and self._room - ABOUT <= taken <= self._room + _ROUNDED

    def asks_again_at(self, moment: datetime) -> ApplicationError:
        """What makes Temporal start another attempt at that moment."""
        at = f"{moment.astimezone(UTC):%H:%M:%S} UTC"
        return not_finished(f"{self.said} at {at}", max(moment - self.now(), _AT_ONCE))

    def asked_before(self) -> datetime | None:
        """When the attempt before this one asked last; None where it may have died before it had an answer.

        One that was asked for begins when a question was planned, one after a death at any time.
        """
        first = self.further.first if self.further and self.further.first else self._scheduled_at
        gone = [moment for moment in (first, *self.moments) if moment <= self._asked_for]
        return gone[-2] if len(gone) > 1 and self._asked_for - gone[-1] <= _ON_TIME else None

    async def tell(self, outcome: PollAnswer | ApplicationError, handle: AsyncActivityHandle) -> None:
        """End the attempt, as far as the server knows it still. What fails here, the heartbeat timeout makes good."""
        try:
            if isinstance(outcome, PollAnswer):
                await handle.complete(outcome)
                return
            if outcome.type != NOT_FINISHED:
                log.warning("poll.failed", error=f"{outcome.type}: {outcome.message}", **self.run)
            await handle.fail(outcome)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # so says the server where the poll was given up meanwhile
                log.warning("poll.answer_lost", error=error.message, **self.run)
        except Exception:  # nobody else would hear of it
            log.exception("poll.answer_lost", **self.run)
