"""The write-ahead record of a submission: what was about to be sent, and what came of it.

It lives in the submit activity's heartbeat, and each entry is acknowledged by the server before the activity goes on
(`activity.heartbeat()` is buffered and proves nothing). When the worker dies, the workflow and any later run read
it there: no record means never sent, `accepted` names the task, `sending` alone means that nobody knows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

_BEAT = 5.0
"""Seconds; well inside the submit activity's heartbeat timeout."""


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
        self.entry: SubmissionRecord | None = None

    async def write(self, entry: SubmissionRecord) -> None:
        """Write an entry; returns when the server has it. Raises RPCError when it cannot be known to have it."""
        self.entry = entry
        with suppress(AsyncActivityCancelledError):  # recorded all the same; a POST in flight is always awaited
            await self._handle.heartbeat(entry.model_dump())

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Repeat the last entry while the block runs.

        The block's end waits for a beat under way, so that no old entry can follow a newer one.
        """
        over = asyncio.Event()
        beat = asyncio.create_task(self._beat(over))
        try:
            yield
        finally:
            over.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(beat, timeout=_BEAT)

    async def _beat(self, over: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), timeout=_BEAT)
            if over.is_set() or self.entry is None:
                return
            with suppress(RPCError):  # the server may be restarting; the answer of the POST matters more
                await self.write(self.entry)
