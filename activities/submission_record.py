"""The write-ahead record of a submission: what was about to be sent, and what came of it.

It lives in the submit activity's heartbeat. `sending` is acknowledged by the server before the call is sent
(`activity.heartbeat()` is buffered and proves nothing). `accepted` goes with the beats while the completion, which says
the same, is tried. When the worker dies, the workflow and any later run read the record there: none means never sent,
`accepted` names the task, `sending` alone means that nobody knows.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

from activities.not_found import is_gone

T = TypeVar("T")

_BEAT = 5.0
"""Seconds; well inside the submit activity's heartbeat timeout."""
_AGAIN, _PATIENCE = 0.5, timedelta(minutes=1)


class Interrupted(Exception):
    """The worker stops, and its grace period is over."""


class NotWanted(Exception):
    """The run was cancelled before anything was sent."""


class SubmissionRecord(BaseModel):
    """One entry."""

    state: Literal["sending", "accepted"]
    task_id: str | None = None


def read_record(details: Any) -> SubmissionRecord | None:
    """The last entry among heartbeat details; None when there is none."""
    for entry in reversed(list(details or ())):
        with suppress(ValidationError):
            return SubmissionRecord.model_validate(entry)
    return None


class RecordKeeper:
    """Writes the record of the running activity, and keeps its heartbeat going between entries."""

    def __init__(self) -> None:
        info = activity.info()
        self._handle = activity.client().get_async_activity_handle(task_token=info.task_token)
        self._entry: SubmissionRecord | None = None

    async def write(self, entry: SubmissionRecord) -> None:
        """Write the first entry; returns when the server has it.

        Raises RPCError when it cannot be known to have it, and NotWanted when it answers that the run was cancelled.
        """
        self._entry = entry
        try:
            await self._handle.heartbeat(entry.model_dump())
        except AsyncActivityCancelledError as error:  # recorded all the same
            if error.details and error.details.cancel_requested:
                raise NotWanted from None

    async def complete(self, task_id: str, result: BaseModel) -> None:
        """Complete the activity with `result`, trying for as long as the server would wait for a heartbeat.

        The SDK gives that up after ten seconds. Raises RPCError when there is no such activity any more, and
        TimeoutError when nobody knows that it is complete.
        """
        self._entry = SubmissionRecord(state="accepted", task_id=task_id)
        async with asyncio.timeout((activity.info().heartbeat_timeout or _PATIENCE).total_seconds()):
            while True:
                try:
                    return await self._handle.complete(result)
                except RPCError as error:
                    if is_gone(error):
                        raise
                    await asyncio.sleep(_AGAIN)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Repeat the last entry while the block runs."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(_BEAT)
                self._beat()

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()

    def _beat(self) -> None:
        """By the SDK, whose own clock ends an activity that it hears nothing of; it does not see awaited heartbeats."""
        if self._entry:
            activity.heartbeat(self._entry.model_dump())


async def until_answered(work: Coroutine[Any, Any, T]) -> T:
    """Await the work although the activity is cancelled, paused or timed out: whoever asked, its outcome matters more.

    Raises Interrupted when the worker itself is about to end.
    """
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done() and not task.cancelled():
                return task.result()
            details = activity.cancellation_details()
            if task.done() or (details and details.worker_shutdown):
                task.cancel()
                raise Interrupted from None
