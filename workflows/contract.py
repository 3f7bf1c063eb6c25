"""What callers rely on: names, input, result, progress and failure types of `GenerateVideo`.

Callers in Python may import this module; it brings neither the workflow nor its activities with it. Callers in other
languages send and get the same as JSON. Changing a name here is a breaking change.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from manxue.admission import Admission
from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem
from manxue.vocabulary import Mode
from workflows.delivery import Preview, Provider, Video
from workflows.input_fields import Duration, FairnessKey, Interval, Seconds, StrictInput, TaskId
from workflows.notification import NotificationReport, NotifyEvent, NotifyTarget, NotifyTargets
from workflows.template import Numbering, Template

__all__ = [
    "Admission",
    "Estimate",
    "FailureDetails",
    "FailureType",
    "GenerateVideoInput",
    "NotificationReport",
    "NotifyEvent",
    "NotifyTarget",
    "Numbering",
    "Phase",
    "Poll",
    "Preview",
    "Problem",
    "Progress",
    "Provider",
    "Resolution",
    "Template",
    "Video",
    "VideoResult",
]

GENERATE_VIDEO = "GenerateVideo"
TASK_QUEUE = "manxue"

PROGRESS_QUERY = "progress"
POLL_NOW_UPDATE = "poll_now"
RESOLVE_SUBMISSION_UPDATE = "resolve_submission"

PHASE_SINCE = "ManxuePhaseSince"
"""When the run entered its phase: RFC 3339 in UTC to the second, so that its order as text is that of time."""
SEARCH_ATTRIBUTES = ("ManxuePhase", "ManxueModel", "ManxueTaskId", "ManxueTenant", PHASE_SINCE)
"""All of type Keyword."""

MEMO_SUMMARY, MEMO_OUTCOME, MEMO_VIDEO = "summary", "outcome", "video"
"""Fields of the memo, which lists of runs come with: what was asked for, how it ended, and where the video is.

The first is there from the start when this project's command line started the run, else from its end.
"""


class Phase(StrEnum):
    """Where a run is. The last three are final."""

    VALIDATING = "validating"
    REVIEWING_ASSETS = "reviewing_assets"
    SUBMITTING = "submitting"
    NEEDS_DECISION = "needs_decision"
    QUEUED = "queued"
    RENDERING = "rendering"
    DOWNLOADING = "downloading"
    NOTIFYING = "notifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


def phase_time(moment: datetime) -> str:
    """A time, in UTC, as PHASE_SINCE has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Poll(StrictInput):
    """When to ask the provider. What is left out follows from the model and the duration of the video."""

    first: Duration | None = None
    """From the accepted submission to the first question."""
    interval: Interval | None = None
    """Between questions at first; it grows to `max_interval`."""
    max_interval: Interval | None = None
    """The longest time between questions; not shorter than `interval`."""

    @model_validator(mode="after")
    def _ordered(self) -> "Poll":
        if self.interval and self.max_interval and self.interval > self.max_interval:
            raise ValueError("`interval` must not be longer than `max_interval`")
        return self


class GenerateVideoInput(StrictInput):
    """The one argument of `GenerateVideo`. Only `request` is required."""

    request: dict[str, Any]
    """The provider's create-task body, verbatim. Broken rules end the run as `InvalidRequest`, unpaid."""
    output: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """Where the video goes: `file:///dir/`, `s3://bucket/prefix/`, `gs://...`, `az://...`. Default: the worker's."""
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,119}$")] | None = None
    """File name without its extension. Default: the provider's task id."""
    asset_review: Literal["images", "all", "none"] = "images"
    """Which http(s) and object store media go through the provider's asset library first."""
    strict_media: Annotated[bool, Field(strict=True)] = False
    """Recommendations about media (sizes, lengths, formats) count as rules: breaking one ends the run unpaid."""
    preview: Annotated[bool, Field(strict=True)] = True
    """Whether a poster and a contact sheet, both JPEG, are put beside the video."""
    on_unknown_submission: Literal["hold", "resubmit", "fail"] = "hold"
    """What to do when nobody can know whether the provider accepted the create call. `resubmit` may pay twice."""
    deadline: Seconds = timedelta(hours=24)
    """From the start of the workflow to a finished render; time spent waiting for a decision does not count."""
    poll: Poll = Poll()
    """When to ask the provider. Default: learned from finished runs."""
    task_id: TaskId | None = None
    """Adopt a task that exists already: nothing is submitted, and the run goes on with polling."""
    extra: dict[str, Any] | None = None
    """Undocumented provider fields, sent as they are."""
    allow_unknown_model: Annotated[bool, Field(strict=True)] = False
    """Send a model name that neither the vendor nor newer documentation of the API knows."""
    notify: NotifyTargets = ()
    """Who is told, by a signed POST, when the run ends or needs a decision."""
    tenant: FairnessKey | None = None
    """On whose behalf, 1 to 64 bytes of UTF-8: tenants share the workers fairly. Search attribute `ManxueTenant`."""
    priority: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None
    """1 (first) to 5. Temporal's default is 3."""
    template: Template | None = None
    """Lets `request`, `extra`, `name` and `output` have `{{ placeholders }}`. Without it, `{{ }}` is plain text."""


class VideoResult(BaseModel):
    """What a completed run returns."""

    task_id: str
    """The provider's task."""
    model: str
    """The model that rendered it."""
    mode: Annotated[str, Field(examples=list(Mode))]
    """Which of the provider's modes the request was in."""
    video: Video
    """The delivered file."""
    preview: Preview | None = None
    """Pictures; null where they were not wanted, and where none could be made, which a warning explains."""
    manifest_uri: str
    """A JSON file beside the video: the request, ids, hashes and times."""
    provider: Provider
    """What the provider said of the task."""
    timeline: dict[Phase, datetime]
    """When each phase was entered, UTC."""
    polls: int
    """How often the provider was asked."""
    assets: dict[str, str]
    """For each medium that the provider reviewed: its URL as given, and the asset id."""
    warnings: list[Problem]
    """What is worth knowing, though it did not stop the run."""
    notifications: list[NotificationReport] = []
    """Whether those in `notify` were told; who was not has a warning too."""


class Decision(BaseModel):
    """What a run in `needs_decision` waits for."""

    asked_at: datetime
    """Since when, UTC."""
    why: str
    """What happened to the create call."""
    actions: tuple[str, ...] = ("adopt", "resubmit", "abandon")
    """What the update `resolve_submission` takes as `action`."""


class Estimate(BaseModel):
    """How long renders like this one usually take: ranges in seconds, in which eight of ten lie."""

    total: tuple[float, float]
    """From the accepted submission to the finished render."""
    queue: tuple[float, float] | None = None
    """How much of it is spent in the provider's queue; null where nobody could tell."""
    render: tuple[float, float] | None = None
    """How much of it is rendering; null where nobody could tell."""
    based_on: int = 0
    """How many finished runs taught it. 0: nothing was learned, and `total` is a presumption."""
    level: Literal["alike", "model", "default"] = "default"
    """Whether those were of the same model, duration and mode, or only of the same model."""
    since: datetime | None = None
    """When the provider accepted the task; null before, and where nobody knows."""
    overdue: bool = False
    """Whether the render takes longer than usual."""


class Progress(BaseModel):
    """The answer to the query `progress`."""

    phase: Phase
    """Where the run is."""
    since: datetime
    """When it entered the phase, UTC."""
    task_id: str | None = None
    """The provider's task; null before the provider has accepted one."""
    provider_status: str | None = None
    """The provider's own word, such as `queued` or `processing`."""
    percent: float | None = None
    """How far the render is, 0 to 100; null where the provider does not say."""
    eta: datetime | None = None
    """When the render is likely to be finished; null where nothing was learned, and when it is overdue."""
    estimate: Estimate | None = None
    """How long renders like this one take; null until the request has been checked."""
    polls: int = 0
    """How often the provider was asked."""
    next_poll_at: datetime | None = None
    """When it is asked next, UTC; null while no question is planned."""
    message: str
    """What is happening, as a sentence for people."""
    decision: Decision | None = None
    """What somebody has to decide, in the phase `needs_decision`; else null."""
    admission: Admission | None = None
    """Null unless the run waits for its turn and its place is known."""
    warnings: list[Problem] = []
    """What is worth knowing, though it does not stop the run."""
    timeline: dict[Phase, datetime] = {}
    """When each phase was first entered, UTC; the earliest is the start of the run."""
    trouble: str | None = None
    """What keeps the provider from giving a useful answer; null while it gives one."""
    notifications: list[NotificationReport] = []
    """Whether those in `notify` were told."""


class Resolution(StrictInput):
    """The argument of the update `resolve_submission`."""

    action: Literal["adopt", "resubmit", "abandon"]
    """`adopt`: the order arrived as the task `task_id`, go on with it. `resubmit`: order again; if the first order
    arrived all the same, this pays twice. `abandon`: give up, the run fails with `SubmissionUnknown`."""
    task_id: TaskId | None = None
    """The provider's task id, for `adopt` only."""

    @model_validator(mode="after")
    def _task_id_with_adopt(self) -> "Resolution":
        if (self.action == "adopt") != (self.task_id is not None):
            raise ValueError("`task_id` goes with the action `adopt`, and only with it")
        return self
