"""What `manxue watch --json` says: one JSON object per line for each change of a run. Part of the contract."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, RootModel

from manxue.failure import Failure
from starter.download_progress import DownloadProgress
from workflows.contract import Progress, VideoResult


class Line(BaseModel):
    """What every line has."""

    id: str
    """The workflow id of the run."""
    at: datetime
    """When it was seen, UTC."""


class ProgressLine(Line):
    """The run has come further."""

    event: Literal["progress"] = "progress"
    progress: Progress
    """The answer to the query `progress`."""


class Download(BaseModel):
    """How far the download of a finished render is."""

    bytes: int
    """Those on the worker's disk."""
    length: int | None
    """Of the whole file; null where its server does not say."""
    attempt: int
    """1, or more after interruptions."""
    trouble: str | None
    """Why the attempt before this one failed."""

    @classmethod
    def of(cls, seen: DownloadProgress) -> Self:
        """What is told of it."""
        return cls(bytes=seen.bytes, length=seen.length, attempt=seen.attempt, trouble=seen.trouble)


class DownloadLine(Line):
    """The download has come further; at most one line a second."""

    event: Literal["download"] = "download"
    download: Download
    """How far it is."""


class NoWorkerLine(Line):
    """No worker answers: the run goes on when there is one. A `progress` line follows then."""

    event: Literal["no_worker"] = "no_worker"
    message: str
    """Where a worker is missing."""


class ResultLine(Line):
    """The run is over, and this is the last line about it: the video is delivered."""

    event: Literal["result"] = "result"
    result: VideoResult
    """What the run returned."""


class FailureLine(Line):
    """The run is over, and this is the last line about it: there is no video."""

    event: Literal["failure"] = "failure"
    failure: Failure
    """Why."""


AnyLine = ProgressLine | DownloadLine | NoWorkerLine | ResultLine | FailureLine


class WatchLine(RootModel[Annotated[AnyLine, Field(discriminator="event")]]):
    """One line of `manxue watch --json`. Each run ends with one line `result` or `failure`; ignore other events."""
