"""One run of `GenerateVideo`: where it is, how it ends, and how to steer it. Prints nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributeKey

from starter.download_progress import DownloadProgress, read_download
from starter.execution import Execution, NotPossible, NoWorkerAnswers, describe
from starter.memo import memo_text
from starter.outcome import failure_of
from workflows.contract import (
    GENERATE_VIDEO,
    MEMO_OUTCOME,
    POLL_NOW_UPDATE,
    PROGRESS_QUERY,
    RESOLVE_SUBMISSION_UPDATE,
    Phase,
    Progress,
    Resolution,
    VideoResult,
)

_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")


class RunNotFound(Exception):
    """No run of `GenerateVideo` has this workflow id; the text says what was looked for, and where."""


@dataclass(frozen=True)
class Run(Execution):
    """One run, by its workflow id."""

    @classmethod
    async def find(cls, client: Client, workflow_id: str) -> Self:
        """Look a run up. Raises RunNotFound."""
        description = await describe(client, workflow_id)
        if description is None:
            raise RunNotFound(f"there is no run {workflow_id!r} in the namespace {client.namespace}")
        if description.workflow_type != GENERATE_VIDEO:
            raise RunNotFound(f"{workflow_id!r} is a run of {description.workflow_type}, not of {GENERATE_VIDEO}")
        return cls(client.get_workflow_handle(workflow_id, result_type=VideoResult), description)

    async def progress(self) -> Progress:
        """Where the run is. Raises NoWorkerAnswers, or NotPossible when the run never got as far as a worker."""
        answer: Progress = await self.query(PROGRESS_QUERY, Progress)
        return answer

    async def download(self) -> DownloadProgress | None:
        """How far the download is; None while there is none."""
        return await read_download(await self.handle.describe())

    async def result(self) -> VideoResult:
        """Wait for the end. Raises RunFailed when it is not a video."""
        try:
            result: VideoResult = await self.handle.result()
        except WorkflowFailureError as error:
            description = await self.handle.describe()
            outcome = await memo_text(description, MEMO_OUTCOME)
            raise failure_of(error, outcome, description.typed_search_attributes.get(_TASK_ID)) from error
        return result

    async def follow(self, show: Callable[[Progress | NoWorkerAnswers, DownloadProgress | None], None]) -> VideoResult:
        """Wait for the end as `result` does, and show where the run is about once a second (less often with time)."""
        ending = asyncio.ensure_future(self.result())
        looks, downloading = 0, False
        try:
            while not ending.done():
                try:
                    progress = await self.progress()
                    downloading = progress.phase is Phase.DOWNLOADING
                    show(progress, await self.download() if downloading else None)
                except NoWorkerAnswers as silence:
                    show(silence, None)
                except NotPossible:
                    pass  # no workflow task has been done yet, or the run has just closed
                looks += 1
                await asyncio.wait([ending], timeout=1 if downloading else min(1 + looks / 60, 5))
            return await ending
        finally:
            ending.cancel()

    async def cancel(self) -> None:
        """Ask the run to stop; `result` then says how it ended. Raises NotPossible when it is closed."""
        if not self.is_open:
            raise NotPossible(f"the run is closed already ({self.status})")
        await self.handle.cancel()

    async def poll_now(self) -> Any:
        """Ask the provider at once. Raises NotPossible and NoWorkerAnswers."""
        return await self.update(POLL_NOW_UPDATE)

    async def resolve(self, resolution: Resolution, update_id: str | None = None) -> Any:
        """Decide about a submission whose outcome is unknown. Raises NotPossible and NoWorkerAnswers.

        The same `update_id` again is the same decision.
        """
        given = resolution.model_dump(mode="json", exclude_none=True)
        return await self.update(RESOLVE_SUBMISSION_UPDATE, given, update_id=update_id)
