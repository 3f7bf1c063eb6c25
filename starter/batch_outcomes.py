"""What has become of each line of a batch: asked of its run, whatever state the batch itself is in."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from manxue.batch import BatchLine, RequestPage, lines_of
from starter.batch import Batch
from starter.execution import NotPossible, describe
from starter.outcome import RunFailed
from starter.run import Run, RunNotFound
from workflows.batch_contract import GenerateBatchInput
from workflows.batch_state import BatchState, ContinuedBatch
from workflows.contract import GENERATE_VIDEO, VideoResult

WAITING = "waiting"
"""The state of a line whose run was never started. Others but this and the next are Temporal's words for a run's
status."""
FORGOTTEN = "forgotten"
"""The state of a line whose run was started, and is known no more: the namespace's retention is over. Nobody knows
whether it has bought, and made, its video."""
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
    """Every line of a batch in order; what a retry of it has made of a line counts. Raises NotPossible.

    A retry may be of an earlier file under the same id: its lines are known by what they order, not by their numbers.
    """
    own, retried = await own_outcomes(client, batch), dict[str, LineOutcome]()
    while await describe(client, next_id(batch.id)):
        batch = await Batch.find(client, next_id(batch.id))
        retried |= {order_of(outcome.line): outcome for outcome in await own_outcomes(client, batch)}
    return [_numbered(retried.get(order_of(outcome.line), outcome), outcome.line.number) for outcome in own]


def _numbered(outcome: LineOutcome, number: int) -> LineOutcome:
    return replace(outcome, line=outcome.line.model_copy(update={"number": number}))


async def own_outcomes(client: Client, batch: Batch) -> list[LineOutcome]:
    """Every line of a batch, not knowing of retries."""
    turns = asyncio.Semaphore(_AT_ONCE)
    lines = await batch_lines(client, batch)
    started = await _started(client, batch)  # before the look at the runs: one that starts meanwhile is not missing

    async def one(place: int, line: BatchLine) -> LineOutcome:
        async with turns:
            return await _outcome(client, line, FORGOTTEN if place < started else WAITING)

    return await asyncio.gather(*(one(place, line) for place, line in enumerate(lines)))


async def batch_lines(client: Client, batch: Batch) -> list[BatchLine]:
    """The lines of a batch, from where it has them. Raises NotPossible when that is gone, or was never right."""
    given = await _argument(client, batch.id, batch.description.run_id)
    if state := _continued(given):
        refs = state.pages
    else:
        try:
            told = GenerateBatchInput.model_validate(given)
        except ValueError as error:
            raise NotPossible(f"{batch.id} was started with no requests that could be read") from error
        if told.requests is not None:
            return lines_of(batch.id, told.requests)
        refs = told.pages or []
    lines: list[BatchLine] = []
    for ref in refs:
        page = await _argument(client, ref.id, None)
        if not page:
            raise NotPossible(f"the requests of {batch.id} are known no more: the namespace's retention is over")
        lines += RequestPage.model_validate(page).lines
    return lines


async def _argument(client: Client, workflow_id: str, run_id: str | None) -> Any:
    """What an execution was started with, as JSON; None when it is known no more, or has not exactly one argument."""
    if await describe(client, workflow_id) is None:
        return None
    async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events(page_size=1):
        return await _given(client, event)
    return None


async def _given(client: Client, event: HistoryEvent) -> Any:
    payloads = event.workflow_execution_started_event_attributes.input.payloads
    return (await client.data_converter.decode(payloads))[0] if len(payloads) == 1 else None


def _continued(given: Any) -> BatchState | None:
    try:
        return ContinuedBatch.model_validate(given).continued
    except ValueError:
        return None


async def _started(client: Client, batch: Batch) -> int:
    """How many of its lines, which it takes in their order, a batch has begun to start: its history says so."""
    count = 0
    async for event in client.get_workflow_handle(batch.id, run_id=batch.description.run_id).fetch_history_events():
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                state = _continued(await _given(client, event))
                count = state.next if state else 0
            case EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
                child = event.start_child_workflow_execution_initiated_event_attributes
                count += child.workflow_type.name == GENERATE_VIDEO
            case _:
                pass
    return count


async def _outcome(client: Client, line: BatchLine, without: str) -> LineOutcome:
    """`without` is the state of a line without a run."""
    try:
        run = await Run.find(client, line.workflow_id)
    except RunNotFound:
        return LineOutcome(line, without)
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


def order_of(line: BatchLine) -> str:
    """The part of its run's id that follows from what it orders, the same in a retry."""
    return line.workflow_id.rpartition(":")[2]


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
