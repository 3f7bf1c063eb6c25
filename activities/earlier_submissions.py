"""Has this workflow id bought a render before? Asked before each create call, because a reset, or a second start under
the same id, runs the same code again and must not pay again.

Read from the histories of the other runs of the workflow id: the server keeps them as long as the runs themselves
(the namespace's retention), and they say what the earlier submit activities were given and how they ended.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from activities.not_found import is_gone
from activities.submission_record import read_record
from manxue.checked_request import CheckedRequest

_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_LOOKS, _BETWEEN_LOOKS = 10, 0.5
"""How often, and after how many seconds, a list is asked for again that lacks the run that asks."""


class RunsNotListed(Exception):
    """The server's list of runs lacks the one that asks, so it may lack others."""


@dataclass(frozen=True)
class Earlier:
    """The submissions of one earlier run."""

    run_id: str
    fingerprint: str | None
    task_id: str | None
    """The accepted task, if one is known."""
    unknown: int
    """Submissions of which nobody knows whether they were accepted."""


async def earlier_submissions(
    client: Client, workflow_id: str, run_id: str, ancestors: list[str], not_accepted: frozenset[str]
) -> list[Earlier]:
    """What other runs of `workflow_id` bought, or may have bought.

    `ancestors` are runs that this one is known to come from: lists of runs can lag behind by seconds. `not_accepted`
    are the failure types of a submit activity that prove that nothing was bought. Raises RPCError and RunsNotListed.
    """
    listed = await _listed(client, workflow_id, run_id)
    others = [other for other in dict.fromkeys([*ancestors, *listed]) if other != run_id]
    found = [await submissions_of(client, workflow_id, other, not_accepted) for other in others]
    return [earlier for earlier in found if earlier.task_id or earlier.unknown]


async def _listed(client: Client, workflow_id: str, run_id: str) -> list[str]:
    for _ in range(_LOOKS):
        listed = [run.run_id async for run in client.list_workflows(f'WorkflowId = "{workflow_id}"')]
        if run_id in listed:
            return listed
        await asyncio.sleep(_BETWEEN_LOOKS)
    raise RunsNotListed(f"the list of the runs of {workflow_id} does not yet have this one")


async def submissions_of(client: Client, workflow_id: str, run_id: str, not_accepted: frozenset[str]) -> Earlier:
    """What one run bought, or may have bought. Raises RPCError, but not where the run's retention is over."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    reader = _Reader(client.data_converter, not_accepted)
    try:
        async for event in handle.fetch_history_events():
            await reader.read(event)
        description = await handle.describe()
    except RPCError as error:
        if is_gone(error):
            return Earlier(run_id, None, None, 0)  # its retention is over
        raise
    task_id, unknown = reader.task_id, reader.unknown
    if unknown and not task_id and description.status is not WorkflowExecutionStatus.FAILED:
        # By decision, where no record names the task. In a run that failed it may have been a typing error.
        task_id = description.typed_search_attributes.get(_TASK_ID)
    return Earlier(run_id, reader.fingerprint, task_id, unknown)


class _Reader:
    """Follows the submit activities of one history."""

    def __init__(self, converter: DataConverter, not_accepted: frozenset[str]) -> None:
        self._converter = converter
        self._not_accepted = not_accepted
        self._open: set[int] = set()
        """Event ids of submissions without an end."""
        self._ended_unknown = 0
        self.fingerprint: str | None = None
        self.task_id: str | None = None

    @property
    def unknown(self) -> int:
        """How many submissions nobody knows the outcome of."""
        return len(self._open) + self._ended_unknown

    async def read(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                started = event.workflow_execution_started_event_attributes
                self._begin((await self._decode(started.input.payloads)).get("continued"))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name == "submit":
                    self._open.add(event.event_id)
                    self.fingerprint = (await self._decode(scheduled.input.payloads)).get("fingerprint")
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                if self._ends(completed.scheduled_event_id):
                    self.task_id = (await self._decode(completed.result.payloads)).get("task_id")
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                if self._ends(failed.scheduled_event_id):
                    kind = failed.failure.application_failure_info.type
                    self._ended_unknown += kind not in self._not_accepted
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                if self._ends(timed_out.scheduled_event_id):
                    details = timed_out.failure.timeout_failure_info.last_heartbeat_details
                    record = read_record(await self._converter.decode(details.payloads) if details.payloads else [])
                    self.task_id = record.task_id if record and record.task_id else self.task_id
                    self._ended_unknown += record is not None and record.task_id is None
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                # The activity waits for its answer, so only one that never began can be cancelled.
                self._ends(event.activity_task_canceled_event_attributes.scheduled_event_id)
            case _:
                pass

    def _begin(self, continued: Any) -> None:
        """A run that continues another one carries its task; the other one's history may be gone."""
        try:
            task_id, adopted = continued["task_id"], continued["adopted"]
            request = CheckedRequest.model_validate(continued["request"])
        except (TypeError, KeyError, ValidationError):
            return
        if task_id and not adopted:
            self.task_id, self.fingerprint = task_id, request.fingerprint()

    def _ends(self, scheduled_event_id: int) -> bool:
        is_submission = scheduled_event_id in self._open
        self._open.discard(scheduled_event_id)
        return is_submission

    async def _decode(self, payloads: Any) -> dict[str, Any]:
        values = await self._converter.decode(payloads)
        return values[0] if values and isinstance(values[0], dict) else {}
