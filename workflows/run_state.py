"""What a run knows, and all that it carries over when it continues as new."""

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel

from manxue.admission import Admission
from manxue.asset_review import AssetReview
from manxue.checked_request import CheckedRequest
from manxue.problem import Problem
from manxue.render_times import RenderTimes, Seen
from workflows.contract import Decision, GenerateVideoInput, Phase, Preview, Provider, Video
from workflows.notification import NotificationReport, NotifyTarget

_PATIENCE = timedelta(hours=24)
"""Until the input is read."""


class Ending(BaseModel):
    """How a run ended without a file."""

    kind: str
    """A `FailureType`, or `CANCELED` of next_steps.py."""
    problems: list[Problem] = []


class Turn(BaseModel):
    """At an account with limits: a slot, or the wait for one."""

    ticket: float
    """When the run first asked, Unix seconds."""
    number: int = 0
    """Of the create call that it asks for."""
    granted: int = 0
    """Of the latest one that was admitted."""
    place: Admission | None = None
    """While it waits, as far as it is known."""


class Useless(BaseModel):
    """Answers that nothing follows from, all of one kind, with no useful one between them."""

    kind: str
    since: datetime
    answers: int = 1


@dataclass(slots=True, kw_only=True, eq=False)  # thousands wait in one worker, and a model would take 4 kB more
class RunState:
    """Filled in as the story goes on; small, and free of secrets."""

    started_at: datetime
    phase: Phase = Phase.VALIDATING
    since: datetime
    message: str = "The run has started."
    next_at: datetime | None = None
    """When the phase goes on at the latest, where that is known; polls have `next_poll_at`."""
    timeline: dict[Phase, datetime] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)

    given: GenerateVideoInput | None = None
    """The input, once it was found to be right."""
    notify: tuple[NotifyTarget, ...] = ()
    """Who is told; known of a wrong input too, when that part of it is right."""
    notifications: list[NotificationReport] = field(default_factory=list)
    request: CheckedRequest | None = None
    """The request as the caller meant it, legacy names resolved."""
    assets: dict[str, str] | None = None
    """Media reference -> asset id; None before the review."""
    reviews: dict[str, AssetReview | None] = field(default_factory=dict)
    """Media reference -> where its review is, for those that need one; None before it was asked for."""
    render_times: RenderTimes | None = None
    """What finished runs taught when this one began; None in a run that began before runs were taught."""

    admission_id: str | None = None
    """Workflow id to ask before a create call; None at an account without limits."""
    turn: Turn | None = None
    """None before the run has asked, and after it has left."""

    held: timedelta = timedelta(0)
    """Time spent waiting for decisions, which does not count against the deadline."""
    decision: Decision | None = None

    task_id: str | None = None
    adopted: bool = False
    """Whether the caller named the task, so that nothing was submitted."""
    outcome_unknown: bool = False
    """Whether the outcome of a create call was, at any time, unknown."""
    decided: int = 0
    """How often it was decided to submit again all the same."""
    submitted_at: datetime | None = None
    accepted_earlier: bool = False
    """Whether the provider had accepted the task at some unknown time before `submitted_at`."""

    polls: int = 0
    poll_requested: bool = False
    """Somebody asked by `poll_now` for a poll before the next one is due."""
    provider_status: str | None = None
    percent: float | None = None
    next_poll_at: datetime | None = None
    polls_may_wait: bool = False
    polls_wait: bool = False
    """As `validate` told it."""
    poll_begins: datetime | None = None
    """When the poll under way asks first, where it was told to wait for that."""
    polls_ahead: list[float] = field(default_factory=list)
    """When the poll under way asks again, as long as nothing changes, in seconds since `submitted_at`."""
    provider: Provider = field(default_factory=Provider)
    seen: Seen = field(default_factory=Seen)
    """What the polls say of queue and render, in seconds since `submitted_at`."""
    unfinished_at: float = 0.0
    """When the task was last known not to be finished, likewise."""
    finished_at: float | None = None
    """When it was first known to be finished."""
    trouble: str | None = None
    """What keeps the provider from giving a useful answer; None while it gives one."""
    trouble_since: datetime | None = None
    useless: Useless | None = None
    """The part of the trouble that does not go on for ever: an answer that never comes does."""
    not_before: datetime | None = None
    """The provider wants to be left alone until then."""

    video: Video | None = None
    preview: Preview | None = None
    manifest_uri: str | None = None
    ending: Ending | None = None

    @property
    def deadline(self) -> datetime:
        """When the render must be finished."""
        return self.started_at + (self.given.deadline if self.given else _PATIENCE) + self.held

    @property
    def planned(self) -> list[datetime]:
        """When the poll under way asks, but for a question that it asked at once."""
        if not self.submitted_at:
            return []
        ahead = [self.submitted_at + timedelta(seconds=seconds) for seconds in self.polls_ahead]
        return [self.poll_begins, *ahead] if self.poll_begins else ahead

    def asked_by(self, now: datetime) -> int:
        """How many questions the poll under way has asked by `now`, as planned."""
        return (self.poll_begins is None) + sum(moment <= now for moment in self.planned)

    def as_of(self, now: datetime) -> Self:
        """With the questions that were planned until `now` counted as asked: a run hears of them only at their end."""
        if not (planned := self.planned):
            return self
        then = copy(self)
        then.polls += self.asked_by(now)
        then.next_poll_at = next((moment for moment in planned if moment > now), None)
        return then


class ContinuedRun(BaseModel):
    """The argument of a run that continues an earlier one."""

    continued: RunState
