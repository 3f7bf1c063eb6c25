"""How runs of `GenerateVideo` end that others have started: looked at again and again, at a bounded rate."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from temporalio import activity, exceptions
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError

from activities.heartbeat import heartbeating
from activities.not_found import is_gone
from manxue.batch import RunEnd, RunRef
from manxue.redact import capped

_LOOKS_PER_SECOND = 50.0
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 10.0
"""Seconds between two looks at the same run, growing by half."""
_PATIENCE = 30 * 60.0
"""Seconds after which the answer is that none has ended; well inside the activity's timeout."""
_LONGEST_MESSAGE = 200


def end_of(run: RunRef, error: BaseException | None) -> RunEnd:
    """How a run ended, read from the cause of the failure that Temporal tells of it."""
    given = {"number": run.number, "workflow_id": run.workflow_id}
    while isinstance(error, exceptions.ActivityError | exceptions.ChildWorkflowError) and error.cause:
        error = error.cause
    match error:
        case ApplicationError():
            details = error.details[0] if error.details and isinstance(error.details[0], dict) else {}
            task_id = details.get("task_id")
            kind, message = error.type or "ApplicationError", capped(error.message, _LONGEST_MESSAGE)
            return RunEnd(**given, status="failed", failure=kind, message=message, task_id=task_id)
        case CancelledError():
            return RunEnd(**given, status="canceled")
        case TerminatedError():
            return RunEnd(**given, status="terminated", message=capped(str(error), _LONGEST_MESSAGE))
        case exceptions.TimeoutError():
            return RunEnd(**given, status="timed_out")
    return RunEnd(**given, status="failed", failure=type(error).__name__, message=capped(str(error), _LONGEST_MESSAGE))


@activity.defn(name="run_ends")
async def run_ends(runs: list[RunRef]) -> list[RunEnd]:
    """Wait until at least one of the runs is over, and tell of all that are. None after half an hour without any."""
    wait, waited = _FIRST_WAIT, 0.0
    async with heartbeating():
        while True:
            found = await _look(runs)
            # A worker that stops does not wait for this: the workflow asks again, and another one looks.
            if found or waited > _PATIENCE or activity.is_worker_shutdown():
                return found
            pause = max(wait, len(runs) / _LOOKS_PER_SECOND)
            with suppress(TimeoutError):
                await asyncio.wait_for(activity.wait_for_worker_shutdown(), pause)
            waited += pause
            wait = min(wait * 1.5, _LONGEST_WAIT)


@activity.defn(name="ended_runs")
async def ended_runs(runs: list[RunRef]) -> list[RunEnd]:
    """Those of the runs, of any workflow, that are over now."""
    return await _look(runs)


async def _look(runs: Sequence[RunRef]) -> list[RunEnd]:
    found = []
    for run in runs:
        if activity.is_worker_shutdown():
            break
        if end := await _end(run):
            found.append(end)
    return found


async def _end(run: RunRef) -> RunEnd | None:
    handle = activity.client().get_workflow_handle(run.workflow_id)
    try:
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            return None
        await handle.result()
    except WorkflowFailureError as error:
        return end_of(run, error.cause)
    except RPCError as error:
        if not is_gone(error):
            raise
        message = "nothing is known of it any more: its retention is over"
        return RunEnd(number=run.number, workflow_id=run.workflow_id, status="terminated", message=message)
    return RunEnd(number=run.number, workflow_id=run.workflow_id, status="completed")
