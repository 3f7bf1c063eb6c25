"""Runs of `GenerateVideo` as lists show them, found through Temporal's visibility. Prints nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from activities.not_found import is_gone
from activities.visibility import is_searchable, quoted
from encryption import PayloadUnreadable
from manxue.markdown import plain
from starter.memo import memo_text
from workflows.contract import GENERATE_VIDEO, MEMO_SUMMARY

_PHASE, _MODEL, _TASK_ID, _TENANT = (
    SearchAttributeKey.for_keyword(name) for name in ("ManxuePhase", "ManxueModel", "ManxueTaskId", "ManxueTenant")
)
_RUNS = f"WorkflowType = {quoted(GENERATE_VIDEO)} AND ExecutionStatus != 'ContinuedAsNew'"
_IDS_PER_QUERY = 50
_DESCRIBED_AT_ONCE = 10
_BETWEEN_LINKS = timedelta(seconds=5)
"""More than passes from the end of a run that continues as new to the start of the next."""


class State(StrEnum):
    """Where a run is: the phase of an open one, and Temporal's status of one that is over."""

    VALIDATING = "validating"
    REVIEWING_ASSETS = "reviewing_assets"
    SUBMITTING = "submitting"
    NEEDS_DECISION = "needs_decision"
    QUEUED = "queued"
    RENDERING = "rendering"
    DOWNLOADING = "downloading"
    NOTIFYING = "notifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


_ENDS = {
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.CANCELED: "Canceled",
    State.TERMINATED: "Terminated",
    State.TIMED_OUT: "TimedOut",
}
"""State -> Temporal's name of it in queries."""


@dataclass(frozen=True)
class Filter:
    """Which runs are wanted; what is left out is no condition."""

    states: Sequence[State] = ()
    model: str | None = None
    tenant: str | None = None
    task_id: str | None = None
    since: timedelta | None = None
    """Not older than this."""
    is_open: bool | None = None

    def query(self, now: datetime) -> str:
        """For Temporal's visibility. Raises NotSearchable."""
        conditions = [_RUNS]
        for key, value in ((_MODEL, self.model), (_TENANT, self.tenant), (_TASK_ID, self.task_id)):
            if value is not None:
                conditions.append(f"{key.name} = {quoted(value)}")
        if self.states:
            conditions.append(f"({' OR '.join(_in_state(state) for state in dict.fromkeys(self.states))})")
        if self.is_open is not None:
            conditions.append(f"ExecutionStatus {'=' if self.is_open else '!='} 'Running'")
        if self.since is not None:
            conditions.append(f"StartTime >= {quoted((now - self.since).isoformat())}")
        return " AND ".join(conditions)


class ListedRun(BaseModel):
    """One run, as lists show it."""

    id: str
    """The workflow id."""
    state: str
    """A `State`; `starting` before a worker has begun it."""
    model: str | None
    task_id: str | None
    tenant: str | None
    started_at: datetime
    """When the run began, however often it was continued since."""
    ended_at: datetime | None
    summary: str | None
    """Model, mode, and the beginning of the prompt, where whoever started the run gave it."""

    @property
    def prompt(self) -> str:
        """The beginning of the prompt."""
        return (self.summary or "").split(" · ", 2)[-1]


async def list_runs(client: Client, wanted: Filter, limit: int) -> tuple[list[ListedRun], int]:
    """At most `limit` runs, the open ones first, and how many there are. Lists lag behind by about a second.

    Raises NotSearchable.
    """
    now = datetime.now(UTC)
    query = wanted.query(now)
    found = [execution async for execution in client.list_workflows(query, limit=limit + 1)]
    count = len(found) if len(found) <= limit else (await client.count_workflows(query)).count
    starts = await _first_starts(client, found[:limit])
    turns = asyncio.Semaphore(_DESCRIBED_AT_ONCE)
    runs = await asyncio.gather(*(_listed(client, execution, starts, turns) for execution in found[:limit]))
    too_old = [run for run in runs if wanted.since is not None and run.started_at < now - wanted.since]
    return [run for run in runs if run not in too_old], count - len(too_old)


def _in_state(state: State) -> str:
    if state in _ENDS:
        return f"ExecutionStatus = {quoted(_ENDS[state])}"
    return f"(ExecutionStatus = 'Running' AND {_PHASE.name} = {quoted(state)})"


async def _first_starts(client: Client, found: Sequence[WorkflowExecution]) -> dict[str, datetime]:
    """Workflow id -> when the first run of its chain began: each link continues as new where the next one starts."""
    starts = {execution.id: execution.start_time for execution in found}
    ids = list(filter(is_searchable, starts))
    for at in range(0, len(ids), _IDS_PER_QUERY):
        named = ", ".join(map(quoted, ids[at : at + _IDS_PER_QUERY]))
        query = f"ExecutionStatus = 'ContinuedAsNew' AND WorkflowId IN ({named})"
        links = [link async for link in client.list_workflows(query)]
        for link in sorted(links, key=lambda link: link.start_time, reverse=True):
            if link.close_time and abs(starts[link.id] - link.close_time) < _BETWEEN_LINKS:
                starts[link.id] = link.start_time
    return starts


async def _listed(
    client: Client, execution: WorkflowExecution, starts: dict[str, datetime], turns: asyncio.Semaphore
) -> ListedRun:
    attributes = execution.typed_search_attributes
    try:
        summary = await memo_text(execution, MEMO_SUMMARY)
        if summary is None:
            async with turns:
                summary = await _static_summary(client, execution)
    except PayloadUnreadable as error:  # one run whose key is lost must not hide the others
        summary = f"({error.message.partition(':')[0]})"
    return ListedRun(
        id=execution.id,
        state=_state(execution),
        model=attributes.get(_MODEL),
        task_id=attributes.get(_TASK_ID),
        tenant=attributes.get(_TENANT),
        started_at=starts[execution.id],
        ended_at=execution.close_time,
        summary=summary,
    )


def known(execution: WorkflowExecution) -> dict[str, Any]:
    """What the server knows of a run by itself, without asking a worker: a JSON object."""
    attributes = execution.typed_search_attributes
    return {
        "id": execution.id,
        "status": execution.status.name.lower() if execution.status else "unknown",
        "phase": _state(execution),
        "task_id": attributes.get(_TASK_ID),
    }


def _state(execution: WorkflowExecution) -> str:
    """The phase of a run that was ended from outside stays as it was, so it counts only while the run is open."""
    status = execution.status
    if status is None or status is WorkflowExecutionStatus.RUNNING:
        return execution.typed_search_attributes.get(_PHASE) or "starting"
    return status.name.lower()


async def _static_summary(client: Client, execution: WorkflowExecution) -> str | None:
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    try:
        return plain(str(await (await handle.describe()).static_summary() or "")) or None
    except (ValueError, KeyError, RuntimeError):
        return None  # as in `memo_text`
    except RPCError as error:
        if not is_gone(error):
            raise
        return None  # its retention is over since it was listed
