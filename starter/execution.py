"""One workflow execution, as what is asked of it and how it answers. Prints nothing."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.not_found import is_gone

_SILENT = (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
_PATIENCE = 10.0
"""At 20 s the server says that no worker has taken an update, and the SDK asks anew."""


_ANY_QUERY = "__temporal_workflow_metadata"
"""Every workflow answers it: the SDK does."""


class NoWorkerAnswers(Exception):
    """No worker of the task queue has answered in time."""


class NotPossible(Exception):
    """The execution does not accept this now: it is closed, or not in the phase for it. The text is the reason."""


async def describe(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """The latest execution with this id; None when there is none."""
    try:
        return await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if not is_gone(error):
            raise
        return None


@dataclass(frozen=True)
class Execution:
    """One execution, by its workflow id. The handle follows it over continue-as-new."""

    handle: WorkflowHandle[Any, Any]
    description: WorkflowExecutionDescription
    patience: float = field(default=_PATIENCE, kw_only=True)
    """Seconds that a worker has to answer."""

    @property
    def id(self) -> str:
        """The workflow id."""
        return self.handle.id

    @property
    def is_open(self) -> bool:
        """Whether it was going on when it was looked up."""
        return self.description.status is WorkflowExecutionStatus.RUNNING

    @property
    def status(self) -> str:
        """Temporal's word for its state, such as `running` or `completed`."""
        status = self.description.status
        return status.name.lower().replace("_", " ") if status else "unknown"

    async def query(self, name: str, result_type: type) -> Any:
        """Ask. Raises NoWorkerAnswers, or NotPossible when it never got as far as a worker."""
        try:
            # Not `rpc_timeout`: the SDK tries again when two queries wait side by side, each time with that anew.
            async with asyncio.timeout(self.patience):
                return await self.handle.query(name, result_type=result_type)
        except TimeoutError as error:
            raise await self._silence() from error
        except RPCError as error:
            if error.status in _SILENT or await self._failed_tasks():  # behind those the server lets nothing wait
                raise await self._silence() from error
            raise NotPossible(error.message) from error
        except WorkflowQueryFailedError as error:
            raise NotPossible(error.message) from error

    async def update(self, name: str, *args: Any, update_id: str | None = None) -> Any:
        """Steer. The same `update_id` again is the same update. Raises NotPossible and NoWorkerAnswers."""
        if self.is_open:
            # The server keeps an update that no worker takes, and hands it over when one comes: somebody who was told
            # that nobody answers, and decided otherwise by then, would pay for both. A question is forgotten.
            await self._require_worker()
        try:
            accepted = await self.handle.start_update(
                name,
                args=list(args),
                id=update_id,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                rpc_timeout=timedelta(seconds=self.patience),
            )
            return await accepted.result()
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            raise NotPossible(cause.message if isinstance(cause, ApplicationError) else str(cause)) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):  # Ctrl-C
                raise error.__cause__ from None
            kept = f"{await self._silence()}; {name} may be carried out all the same when one does"
            raise NoWorkerAnswers(kept) from error
        except RPCError as error:
            if not is_gone(error):
                if await self._failed_tasks():
                    raise await self._silence() from error
                raise
            raise NotPossible(f"it is closed already ({self.status})") from error

    async def _require_worker(self) -> None:
        try:
            await self.query(_ANY_QUERY, dict)
        except NotPossible as error:
            if not isinstance(error.__cause__, WorkflowQueryFailedError):
                raise
            # The SDK fails this query only where it cannot replay: other code, or no encryption key.
            raise NoWorkerAnswers(f"{self._stands_still()}: {error}") from error

    def _stands_still(self) -> str:
        return f"no worker of task queue {self.description.task_queue} gets on with it"

    async def _silence(self) -> NoWorkerAnswers:
        if failed := await self._failed_tasks():  # such as for want of an encryption key
            return NoWorkerAnswers(
                f"{self._stands_still()}: its workflow task was tried {failed} time{'s' * (failed != 1)} in vain, and "
                "the worker's log says why"
            )
        return no_worker(self.description.task_queue, self.description.namespace)

    async def _failed_tasks(self) -> int:
        """How often its next workflow task has failed, as of now: perhaps because of what was just asked."""
        now = await self.handle.describe()
        return max(now.raw_description.pending_workflow_task.attempt - 1, 0)


def no_worker(task_queue: str, namespace: str) -> NoWorkerAnswers:
    """The error that names where a worker is missing."""
    return NoWorkerAnswers(f"no worker is polling task queue {task_queue} in the namespace {namespace}")
