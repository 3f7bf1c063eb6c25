"""`python -m tests.support.dying_worker POINT`: the worker, killed by SIGKILL at a point around what must not be done
twice, or slow there."""

import asyncio
import os
import signal
import sys
from typing import Any

from pydantic import BaseModel

import worker
from activities.submission_record import RecordKeeper, SubmissionRecord
from manxue.answers import CreatedTask
from manxue.client import ManxueClient
from starter.nexus_service import GenerateHandler

STARTED = "after an operation has started its run"
SLOW = "slow before sending is recorded"
POINTS = (
    "before sending is recorded",
    "after sending is recorded",
    "after the answer",
    "after accepted is recorded",
    "after the completion",
)

_write, _complete, _create = RecordKeeper.write, RecordKeeper.complete, ManxueClient.create
_start = GenerateHandler.start_operation


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _write_or_die(self: RecordKeeper, entry: SubmissionRecord) -> None:
    if sys.argv[1] == SLOW:  # as where the look at earlier runs takes long
        await asyncio.sleep(4)
    if sys.argv[1] == f"before {entry.state} is recorded":
        _die()
    await _write(self, entry)
    if sys.argv[1] == f"after {entry.state} is recorded":
        _die()


async def _complete_or_die(self: RecordKeeper, task_id: str, result: BaseModel) -> None:
    if sys.argv[1] == "after accepted is recorded":  # by a beat while the server was away, or by an earlier version
        await _write_or_die(self, SubmissionRecord(state="accepted", task_id=task_id))
    await _complete(self, task_id, result)
    if sys.argv[1] == "after the completion":
        _die()


async def _create_or_die(self: ManxueClient, body: dict[str, Any]) -> CreatedTask:
    task = await _create(self, body)
    if sys.argv[1] == "after the answer":
        _die()
    return task


async def _start_or_die(self: GenerateHandler, *given: Any) -> Any:
    result = await _start(self, *given)
    if sys.argv[1] == STARTED:
        _die()
    return result


if __name__ == "__main__":
    GenerateHandler.start_operation = _start_or_die  # type: ignore[method-assign, assignment]
    RecordKeeper.write = _write_or_die  # type: ignore[method-assign]
    RecordKeeper.complete = _complete_or_die  # type: ignore[method-assign]
    ManxueClient.create = _create_or_die  # type: ignore[method-assign]
    sys.exit(worker.main())
