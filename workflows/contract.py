"""What callers rely on: names, input, result, progress and failure types of `GenerateVideo`.

Callers in Python may import this module; it brings neither the workflow nor its activities with it. Callers in other
languages send and get the same as JSON. Changing a name here is a breaking change.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem
from workflows.input_fields import Duration, FairnessKey, Seconds, StrictInput, TaskId
from workflows.template import Numbering, Template

__all__ = [
    "Estimate",
    "FailureDetails",
    "FailureType",
    "GenerateVideoInput",
    "Numbering",
    "Phase",
    "Poll",
    "Problem",
    "Progress",
    "Resolution",
    "Template",
    "VideoResult",
]

GENERATE_VIDEO = "GenerateVideo"
TASK_QUEUE = "manxue"

PROGRESS_QUERY = "progress"
POLL_NOW_UPDATE = "poll_now"
RESOLVE_SUBMISSION_UPDATE = "resolve_submission"

SEARCH_ATTRIBUTES = ("ManxuePhase", "ManxueModel", "ManxueTaskId", "ManxueTenant")
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
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class Poll(StrictInput):
    """When to ask the provider. What is left out follows from the model and the duration of the video."""

    first: Duration | None = None
    """From the accepted submission to the first question."""
    interval: Seconds | None = None
    """Between questions at first; it grows to `max_interval`."""
    max_interval: Seconds | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Poll":
        if self.interval and self.max_interval and self.interval > self.max_interval:
            raise ValueError("`interval` must not be longer than `max_interval`")
        return self


class GenerateVideoInput(StrictInput):
    """The one argument of `GenerateVideo`. Only `request` is required."""

    request: dict[str, Any]
    """The provider's create-task body, verbatim; its rules are checked by the `validate` activity."""
    output: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """Where the video goes: `file:///dir/`, `s3://bucket/prefix/`, `gs://...`, `az://...`. Default: the worker's."""
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,119}$")] | None = None
    """File name stem. Default: the task id."""
    asset_review: Literal["images", "all", "none"] = "images"
    """Which http(s) and object store media go through the provider's asset library first."""
    strict_media: Annotated[bool, Field(strict=True)] = False
    """Recommendations about media count as rules."""
    preview: Annotated[bool, Field(strict=True)] = True
    """A poster and a contact sheet are put beside the video."""
    on_unknown_submission: Literal["hold", "resubmit", "fail"] = "hold"
    """What to do when nobody can know whether the provider accepted the create call. `resubmit` may pay twice."""
    deadline: Seconds = timedelta(hours=24)
    """From the start of the workflow to a finished render; time spent waiting for a decision does not count."""
    poll: Poll = Poll()
    task_id: TaskId | None = None
    """Adopt a task that exists already: nothing is submitted, and the run goes on with polling."""
    extra: dict[str, Any] | None = None
    """Undocumented provider fields, sent as they are."""
    allow_unknown_model: Annotated[bool, Field(strict=True)] = False
    """Send a model name that neither the vendor nor newer documentation of the API knows."""
    tenant: FairnessKey | None = None
    """Fairness key of the task queue, and the search attribute `ManxueTenant`."""
    priority: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None
    """1 (first) to 5. Temporal's default is 3."""
    template: Template | None = None
    """Without it, `{{ }}` is text like any other."""


class Video(BaseModel):
    """Facts of the delivered file, read from the file itself."""

    uri: str
    """`file:///...` or an object store reference; never a signed URL."""
    bytes: int
    sha256: str
    container: str
    codec: str
    width: int
    height: int
    fps: float
    duration: float
    """Seconds."""
    has_audio: bool


class Preview(BaseModel):
    """Pictures beside the video, both JPEG."""

    poster_uri: str
    """One frame, neither black nor blank where the video has any other; at most 1280 pixels a side."""
    contact_sheet_uri: str
    """Twelve frames with their times."""


class Provider(BaseModel):
    """What the provider said of the finished task."""

    created: int | None = None
    """Unix seconds."""
    actual_duration: float | None = None
    """Seconds."""
    amount: float | None = None
    """Cost in the provider's unit, where it says so (undocumented)."""


class VideoResult(BaseModel):
    """What a completed run returns."""

    task_id: str
    model: str
    mode: str
    video: Video
    preview: Preview | None = None
    """None where it was not wanted, and where there are no pictures; then a warning says why."""
    manifest_uri: str
    provider: Provider
    timeline: dict[Phase, datetime]
    """When each phase was entered, UTC."""
    polls: int
    assets: dict[str, str]
    """Media URL as given -> asset id."""
    warnings: list[Problem]


class Decision(BaseModel):
    """What a run in `needs_decision` waits for."""

    asked_at: datetime
    why: str
    actions: tuple[str, ...] = ("adopt", "resubmit", "abandon")


class Estimate(BaseModel):
    """How long renders like this one usually take: ranges in seconds, in which eight of ten lie."""

    total: tuple[float, float]
    """From the accepted submission to the finished render."""
    queue: tuple[float, float] | None = None
    """How much of it is spent in the provider's queue; null where nobody could tell."""
    render: tuple[float, float] | None = None
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
    since: datetime
    task_id: str | None = None
    provider_status: str | None = None
    """The provider's own word."""
    percent: float | None = None
    eta: datetime | None = None
    """When the render is likely to be finished; null where nothing was learned, and when it is overdue."""
    estimate: Estimate | None = None
    """Null until the request has been checked."""
    polls: int = 0
    next_poll_at: datetime | None = None
    message: str
    """What is happening, as a sentence."""
    decision: Decision | None = None
    warnings: list[Problem] = []
    timeline: dict[Phase, datetime] = {}
    """When each phase was first entered, UTC; the earliest is the start of the run."""
    trouble: str | None = None
    """What keeps the provider from giving a useful answer; None while it gives one."""


class Resolution(StrictInput):
    """The argument of the update `resolve_submission`."""

    action: Literal["adopt", "resubmit", "abandon"]
    task_id: TaskId | None = None
    """The provider's task id, for `adopt` only."""

    @model_validator(mode="after")
    def _task_id_with_adopt(self) -> "Resolution":
        if (self.action == "adopt") != (self.task_id is not None):
            raise ValueError("`task_id` goes with the action `adopt`, and only with it")
        return self
