"""What keeps the queue of an account true when executions were terminated or reset: a look at those who hold slots, and
at the execution that kept the queue before.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus, WorkflowQueryFailedError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from activities.earlier_submissions import earlier_submissions, submissions_of
from activities.not_found import is_gone
from activities.submit import NOTHING_BOUGHT
from activities.visibility import quoted
from manxue.admission import STATE_QUERY, Leave

log = structlog.stdlib.get_logger("admission")

_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")
_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_BEFORE_THE_END = {None, "validating", "reviewing_assets", "submitting", "needs_decision", "queued", "rendering"}
"""Phases of open runs whose renders are in flight, or may be: one that was reset goes through all of them again."""
_OVER = "completed"
_LOOKS_AT_ONCE = 10
_LOOKS, _BETWEEN_LOOKS = 20, 0.5
"""How often, and after how many seconds, a list is asked for again that has not heard of the last execution's end."""
_CLOSED_LOOKED_AT = 20


class SlotHolder(BaseModel):
    """A run that holds a slot."""

    workflow_id: str
    ticket: float


@activity.defn(name="left_slots")
async def left_slots(holders: list[SlotHolder]) -> list[Leave]:
    """Which of them hold their slots no longer, though they did not say so; and whether their renders go on."""
    turns = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(holder: SlotHolder) -> Leave | None:
        async with turns:
            return await _left(holder)

    return [leave for leave in await asyncio.gather(*map(look, holders)) if leave]


async def _left(holder: SlotHolder) -> Leave | None:
    free = Leave(workflow_id=holder.workflow_id, ticket=holder.ticket)
    client = activity.client()
    try:
        run = await client.get_workflow_handle(holder.workflow_id).describe()
        phase, task_id = (run.typed_search_attributes.get(key) for key in (_PHASE, _TASK_ID))
        if run.status is WorkflowExecutionStatus.RUNNING:
            return None if phase in _BEFORE_THE_END else free
        if phase == _OVER:
            return free
        if task_id:
            return free.model_copy(update={"task_id": task_id})
        # Terminated around its create call: what it bought, or may have, is in its history alone. Or the run before
        # it has bought, which it was reset from or has the workflow id of.
        bought = [
            await submissions_of(client, run.id, run.run_id, NOTHING_BOUGHT),
            *await earlier_submissions(client, run.id, run.run_id, [], NOTHING_BOUGHT),
        ]
        task_id = next((one.task_id for one in bought if one.task_id), None)
        return free.model_copy(update={"task_id": task_id, "unknown": any(one.unknown for one in bought)})
    except RPCError as error:
        if not is_gone(error):
            raise
        return free  # its retention is over
    except Exception as error:  # whatever it is: a key that is retired, another codec
        log.warning("admission.unreadable_run", workflow_id=holder.workflow_id, error=str(error))
        return free.model_copy(update={"unknown": True})


@activity.defn(name="earlier_admission")
async def earlier_admission() -> dict[str, Any] | None:
    """What the execution before this one knew, where it was ended from outside; None where it ended by itself."""
    info = activity.info()
    client, workflow_id = activity.client(), info.workflow_id or ""
    try:
        for ended in await _earlier(workflow_id, info.workflow_run_id or ""):
            if ended.status is WorkflowExecutionStatus.COMPLETED:
                return None
            handle = client.get_workflow_handle(workflow_id, run_id=ended.run_id)
            try:
                state: dict[str, Any] = await handle.query(STATE_QUERY)
                return state
            except WorkflowQueryFailedError:
                pass
            except RPCError as error:
                if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
            # It was ended before it knew itself what came before it, or its history cannot be replayed: the one before
            # it knows at least what it began with.
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED or is_gone(error):
            return None  # a server without lists, or the retention is over
        raise
    return None


async def _earlier(workflow_id: str, run_id: str) -> list[WorkflowExecution]:
    """The other executions of that workflow id that the server still keeps, the one that was closed last first."""
    for _ in range(_LOOKS):
        listed = activity.client().list_workflows(f"WorkflowId = {quoted(workflow_id)}", limit=_CLOSED_LOOKED_AT)
        others = [run async for run in listed if run.run_id != run_id]
        if all(run.status is not WorkflowExecutionStatus.RUNNING for run in others):
            return sorted(others, key=lambda run: run.close_time or datetime.min.replace(tzinfo=UTC), reverse=True)
        await asyncio.sleep(_BETWEEN_LOOKS)  # only one is open at a time: the list lags behind
    return []
