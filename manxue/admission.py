"""Whose render is next: how runs, and the one execution for each account that admits them, speak of it."""

import hashlib

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from manxue.account import account_digest

ADMIT_RENDERS = "AdmitRenders"
"""The workflow. One execution for each account of the provider and task queue, found by its workflow id."""
ASK_SIGNAL = "ask"
"""A run wants to send a create call: an `Ask`. Repeating it changes nothing."""
LEAVE_SIGNAL = "leave"
"""A run no longer waits, or its render is no longer in flight: a `Leave`."""
ADMITTED_SIGNAL = "admitted"
"""To the run: an `Admitted`. It may send its create call now."""
QUEUE_QUERY = "queue"
"""Who waits, in order: a `Queue`."""
ADMISSION_QUERY = "admission"
"""An `Overview` for operators."""
STATE_QUERY = "state"
"""All that the execution knows, for the one that follows it when it was terminated."""

UNSAID_PRIORITY = 3
"""Temporal's own default."""


def admission_id(task_queue: str, base_url: str, api_key: str) -> str:
    """The workflow id of the account's `AdmitRenders` for all workers of a task queue, which carry it out."""
    fleet = hashlib.sha256(task_queue.encode()).hexdigest()[:8]
    return f"admission-{account_digest(base_url, api_key)}-{fleet}"


class Limits(BaseModel):
    """What an account may do; None is no limit."""

    model_config = ConfigDict(frozen=True)

    max_in_flight: int | None = Field(default=None, ge=1)
    """Renders that the provider has accepted, or may have, and that are not finished."""
    submits_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Create calls of the whole fleet."""

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return self.max_in_flight is not None or self.submits_per_second is not None


class Ask(BaseModel):
    """A run's wish to send a create call."""

    workflow_id: str
    ticket: float = Field(allow_inf_nan=False)
    """When the run first asked, Unix seconds; tells it from other runs under the same workflow id."""
    number: int = Field(default=1, ge=1)
    """Of the create call: a later one of the same ticket keeps its slot and waits for the rate alone."""
    tenant: str = ""
    priority: int = UNSAID_PRIORITY
    limits: Limits = Limits()
    """As the worker knows them that passes the wish on; the newest count."""


class Leave(BaseModel):
    """The slot is free; or, with one of the fields, it will be when the render is over that nobody waits for."""

    workflow_id: str
    ticket: float
    task_id: str | None = None
    unknown: bool = False
    """Whether the provider may have accepted a task whose id nobody knows."""


class Admitted(BaseModel):
    """The create call of that number may be sent."""

    ticket: float
    number: int


class Queue(BaseModel):
    """Who waits, the next one first: workflow id, ticket and number of each."""

    limits: Limits
    waiting: list[tuple[str, float, int]]
    in_flight: int
    as_of: AwareDatetime


class Admission(BaseModel):
    """The place of a run that waits, in the phase `submitting`, for its turn at an account with limits."""

    place: int
    """1 is next."""
    waiting: int
    """Runs in the queue, this one included."""
    in_flight: int
    """Renders of the account that are not finished; counted only where there may not be more than `max_in_flight`."""
    max_in_flight: int | None = None
    """How many there may be; null where only the rate of create calls is limited."""
    as_of: AwareDatetime
    """When this was so; it is looked up the less often, the longer the queue is."""


class InFlight(BaseModel):
    """One slot that is taken."""

    workflow_id: str
    tenant: str
    since: AwareDatetime
    run_ended: bool
    """Whether the run has ended without its render: the slot is kept until the provider has finished it."""
    task_id: str | None = None
    """Of such a render, where it is known."""


class Overview(BaseModel):
    """How an account stands."""

    limits: Limits
    in_flight: list[InFlight]
    waiting: int
    waiting_by_tenant: dict[str, int]
    next: list[str]
    """Workflow ids of those who come first; not all of them."""
