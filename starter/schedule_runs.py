"""How the latest runs of a schedule ended, or where they are. Prints nothing."""

import asyncio
from datetime import datetime

from pydantic import BaseModel
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleActionResult
from temporalio.common import SearchAttributeKey

from starter.outcome import RunFailed
from starter.run import Run, RunNotFound
from starter.schedules import Recurring

_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")


class RecentRun(BaseModel):
    """One run of a schedule."""

    planned_for: datetime
    """With the jitter of the schedule."""
    workflow_id: str
    state: str
    """Temporal's word, such as `running` or `completed`; `unknown` after the namespace's retention."""
    outcome: str
    """The URI of the video, the failure, or the phase."""


async def recent_runs(recurring: Recurring) -> list[RecentRun]:
    """The latest ten, the last one first."""
    results = reversed(recurring.description.info.recent_actions)
    return list(await asyncio.gather(*(_recent(recurring.client, result) for result in results)))


async def _recent(client: Client, result: ScheduleActionResult) -> RecentRun:
    assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
    workflow_id = result.action.workflow_id
    try:
        run = await Run.find(client, workflow_id)
    except RunNotFound:
        return RecentRun(planned_for=result.scheduled_at, workflow_id=workflow_id, state="unknown", outcome="")
    return RecentRun(
        planned_for=result.scheduled_at, workflow_id=workflow_id, state=run.status, outcome=await _outcome(run)
    )


async def _outcome(run: Run) -> str:
    if run.is_open:
        return run.description.typed_search_attributes.get(_PHASE) or "waits for a worker"
    try:
        return (await run.result()).video.uri
    except RunFailed as failed:
        return str(failed)
