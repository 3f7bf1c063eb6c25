"""A bare Temporal worker: `bare_workflow.py`, and activities that send the HTTP calls and do nothing else.

With the argument `unsandboxed` its workflow runs without the SDK's sandbox, which is on by default.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from benchmarks.jobs.bare_workflow import Bare
from benchmarks.jobs.steps import ENGINE, Steps

QUEUE = "bare"


class Activities:
    """The steps by the names that the workflow uses."""

    def __init__(self) -> None:
        self._steps = Steps()

    @activity.defn(name="validate")
    async def validate(self, request: dict[str, Any]) -> None:
        """Nothing."""

    @activity.defn(name="submit")
    async def submit(self, request: dict[str, Any]) -> str:
        """One POST."""
        return await self._steps.create(request)

    @activity.defn(name="poll")
    async def poll(self, task_id: str) -> str:
        """One GET."""
        return str((await self._steps.query(task_id))["status"])

    @activity.defn(name="download")
    async def download(self, task_id: str) -> int:
        """Two GETs, and a file."""
        return await self._steps.fetch(task_id)


async def _serve() -> None:
    client = await Client.connect(ENGINE)
    steps = Activities()
    activities: list[Callable[..., Any]] = [steps.validate, steps.submit, steps.poll, steps.download]
    worker = Worker(
        client,
        task_queue=QUEUE + "".join(sys.argv[1:]),
        workflows=[Bare],
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner() if "unsandboxed" in sys.argv else SandboxedWorkflowRunner(),
        max_concurrent_activities=300,
    )
    async with worker:
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
