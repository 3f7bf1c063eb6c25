"""What receivers of notifications are sent: the body of each type, as JSON."""

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel

from manxue.failure import Failure
from manxue.redact import redact_json
from workflows.contract import Decision, VideoResult


class About(BaseModel):
    """Which run is told of."""

    workflow_id: str
    """Under which it was started."""
    run_id: str
    """Of the run that sends this; a run that continued as new, or was reset, has had others."""
    namespace: str
    """Of Temporal."""
    tenant: str | None = None
    """As in the input."""


class Completed(About):
    """The file lies at its place."""

    result: VideoResult
    """What the run returns, but for the phase `completed` and the notifications of it, which come after this one."""


class Failed(About):
    """There is no file."""

    failure: Failure
    """The failure that the run ends in."""


class DecisionNeeded(About):
    """The run waits for the update `resolve_submission`."""

    decision: Decision
    """What it waits for."""


class Canceled(About):
    """The run was cancelled."""

    message: str
    """Whether a render goes on, and is billed."""
    task_id: str | None = None
    """The provider's task, where one was accepted."""


class VideoCompleted(BaseModel):
    """Sent when a run completes."""

    type: Literal["video.completed"] = "video.completed"
    """What to branch on."""
    timestamp: datetime
    """When it happened; the header `webhook-timestamp` is the time of the attempt."""
    data: Completed
    """Of which run, and what."""


class VideoFailed(BaseModel):
    """Sent when a run fails."""

    type: Literal["video.failed"] = "video.failed"
    """What to branch on."""
    timestamp: datetime
    """When it happened."""
    data: Failed
    """Of which run, and what."""


class VideoNeedsDecision(BaseModel):
    """Sent when nobody knows whether the provider accepted the task, and the run waits to be told."""

    type: Literal["video.needs_decision"] = "video.needs_decision"
    """What to branch on."""
    timestamp: datetime
    """When it happened."""
    data: DecisionNeeded
    """Of which run, and what."""


class VideoCanceled(BaseModel):
    """Sent when a run was cancelled."""

    type: Literal["video.canceled"] = "video.canceled"
    """What to branch on."""
    timestamp: datetime
    """When it happened."""
    data: Canceled
    """Of which run, and what."""


AnyNotification = VideoCompleted | VideoFailed | VideoNeedsDecision | VideoCanceled


class Notification(RootModel[Annotated[AnyNotification, Field(discriminator="type")]]):
    """The body of a notification; `type` tells which it is."""


def body(notification: AnyNotification) -> str:
    """As it is signed and sent, in the same bytes every time; query strings of URLs may be signatures, and stay out."""
    return json.dumps(redact_json(notification.model_dump(mode="json")), separators=(",", ":"))
