"""What a run knows, and all that it carries over when it continues as new."""

from datetime import datetime, timedelta

from pydantic import BaseModel

from manxue.checked_request import CheckedRequest
from manxue.problem import Problem
from workflows.contract import Decision, GenerateVideoInput, Phase, Provider


class RunState(BaseModel):
    """Filled in as the story goes on; small, and free of secrets."""

    started_at: datetime
    phase: Phase = Phase.VALIDATING
    since: datetime
    message: str = "The run has started."
    timeline: dict[Phase, datetime] = {}
    warnings: list[Problem] = []

    given: GenerateVideoInput | None = None
    """The input, once it was found to be right."""
    request: CheckedRequest | None = None
    """The request as the caller meant it, legacy names resolved."""
    assets: dict[str, str] | None = None
    """Media reference -> asset id; None before the review."""

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

    polls: int = 0
    poll_requested: bool = False
    """Somebody asked by `poll_now` for a poll before the next one is due."""
    provider_status: str | None = None
    percent: float | None = None
    next_poll_at: datetime | None = None
    provider: Provider = Provider()
    trouble: str | None = None
    """What keeps the provider from giving a useful answer; None while it gives one."""
    trouble_since: datetime | None = None


class ContinuedRun(BaseModel):
    """The argument of a run that continues an earlier one."""

    continued: RunState
