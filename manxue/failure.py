"""Why a generation can end without a file: the types that callers branch on."""

from enum import StrEnum

from pydantic import BaseModel

from manxue.problem import Problem


class FailureType(StrEnum):
    """The `type` of the application failure that a failed run ends in. `details[0]` is a `FailureDetails`."""

    INVALID_REQUEST = "InvalidRequest"
    MEDIA_REJECTED = "MediaRejected"
    ASSET_REFUSED = "AssetRefused"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    INSUFFICIENT_BALANCE = "InsufficientBalance"
    SUBMISSION_REFUSED = "SubmissionRefused"
    SUBMISSION_UNKNOWN = "SubmissionUnknown"
    RENDER_FAILED = "RenderFailed"
    RESULT_INCOMPLETE = "ResultIncomplete"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    DOWNLOAD_FAILED = "DownloadFailed"
    VIDEO_INVALID = "VideoInvalid"
    OUTPUT_UNAVAILABLE = "OutputUnavailable"


class EarlyEnd(StrEnum):
    """How a run can end early without a failure of its own."""

    CANCELED = "Canceled"
    TERMINATED = "Terminated"
    TIMED_OUT = "TimedOut"


class FailureDetails(BaseModel):
    """`details[0]` of every failure of a run."""

    problems: list[Problem] = []
    """All that is wrong with the input (`InvalidRequest`, `MediaRejected`)."""
    task_id: str | None = None
    """The provider's task, where one was accepted: the same input with this `task_id` picks it up again."""
    assets: dict[str, str] = {}
    """For each medium that the provider's review refused: its URL and why (`AssetRefused`)."""


class Failure(FailureDetails):
    """How a run ended without a video: the `type` and `message` of its failure, and the fields of its `details[0]`."""

    type: FailureType | EarlyEnd | str
    """What to branch on."""
    message: str
    """What happened, as a sentence for people."""
