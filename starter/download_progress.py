"""How far the download of a finished render is, from the heartbeats of the activity that does it. Prints nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, NonNegativeInt, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription
from temporalio.exceptions import FailureError

from manxue.redact import capped

_DOWNLOAD = "download"
_LONGEST_TROUBLE = 160


class _Beat(BaseModel):
    bytes: NonNegativeInt = 0
    length: NonNegativeInt | None = None


@dataclass(frozen=True)
class DownloadProgress:
    """What the server knows of a download that is not finished."""

    bytes: int = 0
    """On the worker's disk, those of earlier attempts included."""
    length: int | None = None
    """Of the whole file, where its server says so."""
    beat_at: datetime | None = None
    """When the worker said so; it does about every 2 s."""
    attempt: int = 1
    trouble: str | None = None
    """Why the attempt before this one failed."""
    next_attempt_at: datetime | None = None
    """While none is under way."""


async def read_download(description: WorkflowExecutionDescription) -> DownloadProgress | None:
    """The download that the execution waits for; None while there is none."""
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name == _DOWNLOAD:
            beat = await _beat(description, pending.heartbeat_details.payloads)
            return DownloadProgress(
                bytes=beat.bytes,
                length=beat.length,
                beat_at=_moment(pending, "last_heartbeat_time"),
                attempt=pending.attempt,
                trouble=await _trouble(description, pending),
                next_attempt_at=_moment(pending, "next_attempt_schedule_time"),
            )
    return None


async def _beat(description: WorkflowExecutionDescription, payloads: Sequence[Payload]) -> _Beat:
    details = await description.data_converter.decode(payloads) if payloads else []
    try:
        return _Beat.model_validate(details[-1]) if details else _Beat()
    except ValidationError:
        return _Beat()  # of a worker of another version


async def _trouble(description: WorkflowExecutionDescription, pending: PendingActivityInfo) -> str | None:
    if not pending.HasField("last_failure"):
        return None
    failure = Failure.FromString(pending.last_failure.SerializeToString())  # decoding changes it
    error = await description.data_converter.decode_failure(failure)
    return capped(error.message if isinstance(error, FailureError) else str(error), _LONGEST_TROUBLE)


def _moment(pending: Any, field: str) -> datetime | None:
    if not pending.HasField(field):
        return None
    moment: datetime = getattr(pending, field).ToDatetime(UTC)
    return moment
