"""One run of `GenerateVideo`: where it is, how it ends, and how to steer it. Prints nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from starter.outcome import failure_of
from workflows.contract import (
    GENERATE_VIDEO,
    POLL_NOW_UPDATE,
    PROGRESS_QUERY,
    RESOLVE_SUBMISSION_UPDATE,
    Progress,
    Resolution,
    VideoResult,
)

_SILENT = (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
_PATIENCE = 10.0
"""Seconds that a worker has to answer. At 20 s the server says that none has taken an update, and the SDK asks anew."""


class RunNotFound(Exception):
    """No run of `GenerateVideo` has this workflow id; the text says what was looked for, and where."""


class NoWorkerAnswers(Exception):
    """No worker of the run's task queue has answered in time."""


class NotPossible(Exception):
    """The run does not accept this now: it is closed, or not in the phase for it. The text is the reason."""


@dataclass(frozen=True)
class Run:
    """One run, by its workflow id. The handle follows the run over continue-as-new."""

    handle: WorkflowHandle[Any, VideoResult]
    description: WorkflowExecutionDescription

    @property
    def id(self) -> str:
        """The workflow id."""
        return self.handle.id

    @property
    def is_open(self) -> bool:
        """Whether the run was going on when it was looked up."""
        return self.description.status is WorkflowExecutionStatus.RUNNING

    @classmethod
    async def find(cls, client: Client, workflow_id: str) -> Self:
        """Look a run up. Raises RunNotFound."""
        handle = client.get_workflow_handle(workflow_id, result_type=VideoResult)
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RunNotFound(f"there is no run {workflow_id!r} in the namespace {client.namespace}") from error
        if description.workflow_type != GENERATE_VIDEO:
            raise RunNotFound(f"{workflow_id!r} is a run of {description.workflow_type}, not of {GENERATE_VIDEO}")
        return cls(handle, description)

    async def progress(self) -> Progress:
        """Where the run is. Raises NoWorkerAnswers, or NotPossible when the run never got as far as a worker."""
        try:
            # Not `rpc_timeout`: the SDK tries again when two queries wait side by side, each time with that anew.
            async with asyncio.timeout(_PATIENCE):
                answer: Progress = await self.handle.query(PROGRESS_QUERY, result_type=Progress)
        except TimeoutError as error:
            raise self._silence() from error
        except RPCError as error:
            if error.status in _SILENT:
                raise self._silence() from error
            raise NotPossible(error.message) from error
        except WorkflowQueryFailedError as error:
            raise NotPossible(error.message) from error
        return answer

    async def result(self) -> VideoResult:
        """Wait for the end. Raises RunFailed when it is not a video."""
        try:
            return await self.handle.result()
        except WorkflowFailureError as error:
            memo = await (await self.handle.describe()).memo()
            raise failure_of(error, memo.get("outcome")) from error

    async def follow(self, show: Callable[[Progress | NoWorkerAnswers], None]) -> VideoResult:
        """Wait for the end as `result` does, and show where the run is about once a second (less often with time)."""
        ending = asyncio.ensure_future(self.result())
        looks = 0
        try:
            while not ending.done():
                try:
                    show(await self.progress())
                except NoWorkerAnswers as silence:
                    show(silence)
                except NotPossible:
                    pass  # no workflow task has been done yet, or the run has just closed
                looks += 1
                await asyncio.wait([ending], timeout=min(1 + looks / 60, 5))
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
        return await self._update(POLL_NOW_UPDATE)

    async def resolve(self, resolution: Resolution) -> Any:
        """Decide about a submission whose outcome is unknown. Raises NotPossible and NoWorkerAnswers."""
        return await self._update(RESOLVE_SUBMISSION_UPDATE, resolution.model_dump(mode="json", exclude_none=True))

    @property
    def status(self) -> str:
        """Temporal's word for the state of the run, such as `running` or `completed`."""
        status = self.description.status
        return status.name.lower().replace("_", " ") if status else "unknown"

    async def _update(self, name: str, *args: Any) -> Any:
        try:
            accepted = await self.handle.start_update(
                name,
                args=list(args),
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                rpc_timeout=timedelta(seconds=_PATIENCE),
            )
            return await accepted.result()
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            raise NotPossible(cause.message if isinstance(cause, ApplicationError) else str(cause)) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):  # Ctrl-C
                raise error.__cause__ from None
            raise self._silence() from error
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotPossible(f"the run is closed already ({self.status})") from error

    def _silence(self) -> NoWorkerAnswers:
        queue = self.description.task_queue
        return NoWorkerAnswers(f"no worker is polling task queue {queue} in the namespace {self.description.namespace}")
