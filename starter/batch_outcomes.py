"""What has become of each line of a batch: asked of its run, whatever state the batch itself is in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from manxue.batch import BatchLine, RequestPage, lines_of
from starter.batch import Batch
from starter.execution import NotPossible, describe
from starter.outcome import RunFailed
from starter.run import Run, RunNotFound
from workflows.batch_contract import GenerateBatchInput
from workflows.batch_state import ContinuedBatch
from workflows.contract import VideoResult

WAITING = "waiting"
"""The state of a line whose run was never started. The others are Temporal's words for a run's status."""
_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")
_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_AT_ONCE = 20


@dataclass(frozen=True)
class LineOutcome:
    """One line, and where its run is."""

    line: BatchLine
    state: str = WAITING
    phase: str | None = None
    task_id: str | None = None
    """The provider's task that was accepted for it, if one is known."""
    started: datetime | None = None
    ended: datetime | None = None
    result: VideoResult | None = None
    failure: RunFailed | None = None


async def outcomes(client: Client, batch: Batch) -> list[LineOutcome]:
    """Every line of a batch in order; what a retry of it has made of a line counts. Raises NotPossible."""
    found = {outcome.line.number: outcome for outcome in await own_outcomes(client, batch)}
    while await describe(client, next_id(batch.id)):
        batch = await Batch.find(client, next_id(batch.id))
        found |= {outcome.line.number: outcome for outcome in await own_outcomes(client, batch)}
    return list(found.values())


async def own_outcomes(client: Client, batch: Batch) -> list[LineOutcome]:
    """Every line of a batch, not knowing of retries."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(line: BatchLine) -> LineOutcome:
        async with turns:
            return await _outcome(client, line)

    return await asyncio.gather(*map(one, await batch_lines(client, batch)))


async def batch_lines(client: Client, batch: Batch) -> list[BatchLine]:
    """The lines of a batch, from where it has them. Raises NotPossible when that is gone, or was never right."""
    (given,) = await _argument(client, batch.id, batch.description.run_id, dict[str, Any]) or [{}]
    try:
        refs = ContinuedBatch.model_validate(given).continued.pages
    except ValueError:
        try:
            told = GenerateBatchInput.model_validate(given)
        except ValueError as error:
            raise NotPossible(f"{batch.id} was started with no requests that could be read") from error
        if told.requests is not None:
            return lines_of(batch.id, told.requests)
        refs = told.pages or []
    lines: list[BatchLine] = []
    for ref in refs:
        page = await _argument(client, ref.id, None, RequestPage)
        if not page:
            raise NotPossible(f"the requests of {batch.id} are known no more: the namespace's retention is over")
        lines += page[0].lines
    return lines


async def _argument(client: Client, workflow_id: str, run_id: str | None, kind: Any) -> Sequence[Any]:
    """What an execution was started with; nothing when it is known no more."""
    if await describe(client, workflow_id) is None:
        return []
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events(page_size=1):
        return await client.data_converter.decode(
            event.workflow_execution_started_event_attributes.input.payloads, [kind]
        )
    return []


async def _outcome(client: Client, line: BatchLine) -> LineOutcome:
    try:
        run = await Run.find(client, line.workflow_id)
    except RunNotFound:
        return LineOutcome(line)
    known = run.description
    attributes = known.typed_search_attributes
    result, failure = None, None
    if not run.is_open:
        try:
            result = await run.result()
        except RunFailed as failed:
            failure = failed
    return LineOutcome(
        line,
        state=run.status,
        phase=attributes.get(_PHASE),
        task_id=_task_id(known, result, failure),
        started=known.start_time,
        ended=known.close_time,
        result=result,
        failure=failure,
    )


def _task_id(known: WorkflowExecutionDescription, result: VideoResult | None, failure: RunFailed | None) -> str | None:
    named = result.task_id if result else failure.details.task_id if failure else None
    attribute: str | None = known.typed_search_attributes.get(_TASK_ID)
    return named or attribute


def next_id(batch_id: str) -> str:
    """The id of the batch that retries this one."""
    base, mark, count = batch_id.rpartition("~")
    return f"{base}~{int(count) + 1}" if mark and count.isdigit() else f"{batch_id}~2"


class LineReport(BaseModel):
    """One line for machines."""

    number: int
    workflow_id: str
    state: str
    task_id: str | None
    uri: str | None = None
    failure: str | None = None
    message: str | None = None


def reported(outcome: LineOutcome) -> LineReport:
    """What has become of a line, as JSON tells it."""
    return LineReport(
        number=outcome.line.number,
        workflow_id=outcome.line.workflow_id,
        state=outcome.state,
        task_id=outcome.task_id,
        uri=outcome.result.video.uri if outcome.result else None,
        failure=outcome.failure.kind if outcome.failure else None,
        message=outcome.failure.message if outcome.failure else None,
    )


def is_going_on(outcome: LineOutcome) -> bool:
    """Whether its run is open."""
    return outcome.state == WorkflowExecutionStatus.RUNNING.name.lower()
