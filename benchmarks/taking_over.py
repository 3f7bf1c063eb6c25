"""How soon runs go on when the worker that had them is killed and another one is there."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from subprocess import Popen
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowHandle

from tests.support.provider import Provider

WAITING, INTERVAL = 30, 6.0
"""Runs that wait, and the seconds between their polls."""
NEAR = 15.0
"""Seconds between the polls of as many others, whose attempts last the longer."""
BUSY = 4
"""Runs that are polled at the moment, and as many that download."""
_LONGEST = 60.0
"""Seconds until what has not gone on counts as lost."""
_HELD = 24.0
"""Seconds that an answer is held: just less than the worker waits for it."""

Start = Callable[[], Popen[bytes]]
Handle = WorkflowHandle[Any, Any]


class HoldingProvider(Provider):
    """Answers a poll of runs that are "held" as late as the worker allows, and stops in the middle of a "half" file."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, list[float]] = {}
        """Task id of a held run -> when."""
        self.waiting: dict[str, list[float]] = {}
        """Task id of a waiting run -> when."""
        self.hold_file["half"] = 10_000
        for word in ("waiting", "held"):
            self.on_query[word] = lambda task: self.status(task, "processing")

    async def _query(self, request: Request) -> Response:
        task = self.tasks[request.path_params["id"]]
        if "held" in task.body["prompt"]:
            self.asked.setdefault(task.id, []).append(time.time())
            await asyncio.sleep(_HELD)
        elif "waiting" in task.body["prompt"]:
            self.waiting.setdefault(task.id, []).append(time.time())
        return await super()._query(request)


async def started(client: Client, workflow: str, queue: str, inputs: list[Any]) -> list[Handle]:
    """A run of each input."""
    ids = [f"over-{uuid4().hex}" for _ in inputs]
    starts = [client.start_workflow(workflow, i, id=n, task_queue=queue) for i, n in zip(inputs, ids, strict=True)]
    return list(await asyncio.gather(*starts))


async def polled(handles: list[Handle], activity: str) -> None:
    """Wait until each has polled and waits again."""
    for handle in handles:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity:
                break


async def listening(client: Client, queue: str, pid: int) -> None:
    """Wait until the process polls for workflow tasks."""
    asked = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    async with asyncio.timeout(60):
        while True:
            answer = await client.workflow_service.describe_task_queue(asked)
            if any(poller.identity.startswith(f"{pid}@") for poller in answer.pollers):
                return
            await asyncio.sleep(0.1)


def kill(process: Popen[bytes]) -> float:
    """SIGKILL, and when."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return time.time()


@contextmanager
def ending(process: Popen[bytes]) -> Iterator[Popen[bytes]]:
    """A process that is killed at the end."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def due(handles: list[Handle]) -> dict[str, float]:
    """Task id of each run -> when it is to be polled next; of those that wait."""
    told = await asyncio.gather(*(handle.query("progress") for handle in handles))
    return {
        now["task_id"]: datetime.fromisoformat(now["next_poll_at"]).timestamp() for now in told if now["next_poll_at"]
    }


async def question_delays(provider: HoldingProvider, due: dict[str, float]) -> list[float]:
    """Of each run, the seconds from when it was to be polled to when it is."""

    def delay(task: str) -> float | None:
        return next((at - due[task] for at in provider.waiting[task] if at > due[task] - 0.5), None)

    until = max(due.values()) + _LONGEST
    while time.time() < until and any(delay(task) is None for task in due):  # noqa: ASYNC110 - asked in a thread
        await asyncio.sleep(0.1)
    return [_LONGEST if (late := delay(task)) is None else max(late, 0.0) for task in due]


async def timer_delays(handles: list[Handle], killed: float) -> list[float]:
    """Of each run, the seconds from its first timer that fires after the kill to the end of the task that it causes."""
    return list(await asyncio.gather(*(_delay(handle, killed) for handle in handles)))


async def _delay(handle: Handle, killed: float) -> float:
    fired = 0.0
    async for event in handle.fetch_history_events(wait_new_event=True):
        at = event.event_time.ToMicroseconds() / 1e6
        if at > killed and event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            fired = fired or at
        elif fired and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return at - fired
    raise AssertionError("the run ended")


async def busy_delays(provider: HoldingProvider, killed: float) -> tuple[list[float], list[float]]:
    """Seconds from the kill to the next poll of each held run, and to the next request for each half file."""
    before = {task: len(asked) for task, asked in provider.ranges.items()}
    again: dict[str, float] = {}
    while time.time() < killed + _LONGEST:
        for task, asked in provider.ranges.items():
            if len(asked) > before.get(task, 0):
                again.setdefault(task, time.time() - killed)
        polls = [next((t - killed for t in asked if t > killed), None) for asked in provider.asked.values()]
        if len(again) == len(before) and None not in polls:
            break
        await asyncio.sleep(0.1)
    lost = [_LONGEST] * (len(before) - len(again))
    return [_LONGEST if poll is None else poll for poll in polls], [*again.values(), *lost]
