"""Starting and observing runs the way a foreign service does: by name, with JSON."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError

from tests.support.contract import said
from tests.support.patience import PATIENCE

Handle = WorkflowHandle[Any, Any]
FAST = {"first": 1, "interval": 1}


def request(prompt: str, **more: Any) -> dict[str, Any]:
    """A small valid request."""
    return {"model": "sd2_manxue_720p", "prompt": prompt, "duration": 4, **more}


class Runs:
    """Runs of `GenerateVideo` on one task queue."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client = client
        self.task_queue = task_queue

    async def start(self, given: dict[str, Any] | None = None, /, **fields: Any) -> Handle:
        """Start a run with quick polls, under an id of its own or `workflow_id`."""
        workflow_id = fields.pop("workflow_id", None) or f"run-{uuid4().hex[:12]}"
        given = given or {"poll": FAST, **fields}
        return await self.client.start_workflow("GenerateVideo", given, id=workflow_id, task_queue=self.task_queue)

    async def result(self, given: dict[str, Any] | None = None, /, **fields: Any) -> dict[str, Any]:
        """Start a run and return its result."""
        return await outcome(await self.start(given, **fields))

    async def failure(self, given: dict[str, Any] | None = None, /, **fields: Any) -> ApplicationError:
        """Start a run that must fail, and return the failure."""
        return await failure_of(await self.start(given, **fields))


async def outcome(handle: Handle, seconds: float = PATIENCE) -> dict[str, Any]:
    """The result of a run, which is what the published schema says."""
    result: dict[str, Any] = await asyncio.wait_for(handle.result(), seconds)
    said("batch-result" if "counts" in result else "result", result)
    return result


async def failure_of(handle: Handle, seconds: float = PATIENCE) -> ApplicationError:
    """The failure of a run that must fail; its details are what the published schema says."""
    with pytest.raises(WorkflowFailureError) as raised:
        await outcome(handle, seconds)
    failure = raised.value.cause
    assert isinstance(failure, ApplicationError), failure
    said("failure", {"type": failure.type, "message": failure.message, **failure.details[0]})
    return failure


async def undelivered(handle: Handle, seconds: float = PATIENCE) -> ApplicationError:
    """The failure of a `DeliverNotification` that must fail."""
    with pytest.raises(WorkflowFailureError) as raised:
        await asyncio.wait_for(handle.result(), seconds)
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause


def path_of(result: dict[str, Any]) -> Path:
    """Where the video of a result lies on this machine."""
    return Path(urlsplit(result["video"]["uri"]).path)


async def progress(handle: Handle) -> dict[str, Any]:
    """The answer to the query, which is what the published schema says."""
    answer: dict[str, Any] = await handle.query("progress")
    said("batch-progress" if "counts" in answer else "progress", answer)
    return answer


async def current_details(handle: Handle) -> str:
    """What the Web UI is told of it, as Markdown."""
    told: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return told.current_details


async def until(
    handle: Handle, condition: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE
) -> dict[str, Any]:
    """Ask for the progress until it satisfies the condition: ever less often, late by little more than a tenth."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            with suppress(RPCError):  # a worker that ends takes the query with it
                if condition(now := await progress(handle)):
                    return now
            # Each question costs server, worker and test as much as a twentieth of a whole render.
            await asyncio.sleep(min(0.1 + (time.monotonic() - began) / 10, 1))


async def until_phase(handle: Handle, phase: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """Wait for a phase."""
    return await until(handle, lambda now: now["phase"] == phase, seconds)


async def cancel(handle: Handle) -> str:
    """Cancel a run, wait for its end as canceled, and return what it says."""
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await outcome(handle, 30)
    assert isinstance(raised.value.cause, CancelledError), raised.value.cause
    told = await progress(handle)
    assert told["phase"] == "canceled"
    return str(told["message"])


async def reset(handle: Handle, event_id: int) -> WorkflowHandle[Any, Any]:
    """`temporal workflow reset --event-id`: run again from that workflow task."""
    client = handle._client
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            workflow_task_finish_event_id=event_id,
            request_id=f"reset-{handle.id}",
            reason="test",
        )
    )
    return client.get_workflow_handle(handle.id, run_id=answer.run_id)
