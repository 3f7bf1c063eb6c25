"""`manxue watch --json`: every change of runs as a line of JSON on standard output."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from manxue.failure import Failure
from starter import display
from starter.cli.exit_codes import FAILED, Stopped
from starter.cli.session import interruptible
from starter.download_progress import DownloadProgress
from starter.events import AnyLine, Download, DownloadLine, FailureLine, NoWorkerLine, ProgressLine, ResultLine
from starter.execution import NoWorkerAnswers
from starter.outcome import RunFailed
from starter.run import Run
from workflows.contract import Progress

_CREEPING: Mapping[str, set[str] | bool] = {"at": True, "progress": {"eta"}}
"""What moves on while nothing has changed."""


async def tell_changes(runs: Sequence[Run]) -> None:
    """Put a line for each change until all runs are over.

    Raises Stopped when one is over without a video, or when interrupted.
    """
    with interruptible(f"watch again: manxue watch {' '.join(run.id for run in runs)} --json"):
        delivered = await asyncio.gather(*(_Lines(run).until_the_end() for run in runs))
    if failed := delivered.count(False):
        raise Stopped(FAILED, f"{failed} of {len(runs)} runs ended without a video")


class _Lines:
    """The lines of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._told: dict[str, object] = {}
        """By event, what was told last, and is not worth another line."""

    async def until_the_end(self) -> bool:
        """Whether there is a video."""
        try:
            result = await self._run.follow(self._show)
        except RunFailed as failed:
            failure = Failure(type=failed.kind, message=failed.message, **failed.details.model_dump())
            self._put(FailureLine(id=self._run.id, at=_now(), failure=failure))
            return False
        self._put(ResultLine(id=self._run.id, at=_now(), result=result))
        return True

    def _show(self, update: Progress | NoWorkerAnswers, download: DownloadProgress | None) -> None:
        if isinstance(update, NoWorkerAnswers):
            self._told.pop("progress", None)
            self._put(NoWorkerLine(id=self._run.id, at=_now(), message=str(update)))
            return
        self._told.pop("no_worker", None)
        self._put(ProgressLine(id=self._run.id, at=_now(), progress=update))
        if download:
            self._put(DownloadLine(id=self._run.id, at=_now(), download=Download.of(download)))

    def _put(self, line: AnyLine) -> None:
        content = line.model_dump(exclude=_CREEPING)
        if self._told.get(line.event) != content:
            self._told[line.event] = content
            display.put_json(line.model_dump(mode="json"), indent=None)


def _now() -> datetime:
    return datetime.now(UTC)
