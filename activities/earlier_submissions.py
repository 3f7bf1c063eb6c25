"""Has this workflow id bought a render before? Asked before each create call, because a reset, or a second start under
the same id, runs the same code again and must not pay again.

Read from the histories of the other runs of the workflow id: the server keeps them as long as the runs themselves
(the namespace's retention), and they say what the earlier submit activities were given and how they ended.
"""

from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from activities.submission_record import read_record

_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")


@dataclass(frozen=True)
class Earlier:
    """The last submission of one earlier run."""

    run_id: str
    fingerprint: str | None
    task_id: str | None
    """The accepted task; None when nobody knows whether one was."""


async def earlier_submissions(
    client: Client, workflow_id: str, run_id: str, ancestors: list[str], not_accepted: frozenset[str]
) -> list[Earlier]:
    """What other runs of `workflow_id` bought, or may have bought.

    `ancestors` are runs that this one is known to come from: lists of runs can lag behind by seconds. `not_accepted`
    are the failure types of a submit activity that prove that nothing was bought. Raises RPCError.
    """
    listed = [run.run_id async for run in client.list_workflows(f'WorkflowId = "{_quoted(workflow_id)}"')]
    others = [other for other in dict.fromkeys([*ancestors, *listed]) if other != run_id]
    found = [await _submission_of(client, workflow_id, other, not_accepted) for other in others]
    return [earlier for earlier in found if earlier]


async def _submission_of(client: Client, workflow_id: str, run_id: str, not_accepted: frozenset[str]) -> Earlier | None:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    reader = _Reader(client.data_converter, not_accepted)
    try:
        async for event in handle.fetch_history_events():
            await reader.read(event)
        if not reader.submitted:
            return None
        attributes = (await handle.describe()).typed_search_attributes
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None  # its retention is over
        raise
    # The attribute names a task that was adopted by decision, where the record names none.
    return Earlier(run_id, reader.fingerprint, reader.task_id or attributes.get(_TASK_ID))


class _Reader:
    """Follows the submit activities of one history; the last one counts, since only a decision allows another."""

    def __init__(self, converter: DataConverter, not_accepted: frozenset[str]) -> None:
        self._converter = converter
        self._not_accepted = not_accepted
        self._last: int | None = None
        self.fingerprint: str | None = None
        self.submitted = False
        self.task_id: str | None = None

    async def read(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name == "submit":
                    given = await self._decode(scheduled.input.payloads)
                    self._last, self.submitted, self.task_id = event.event_id, True, None
                    self.fingerprint = given.get("fingerprint")
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                if completed.scheduled_event_id == self._last:
                    self.task_id = (await self._decode(completed.result.payloads)).get("task_id")
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                if failed.scheduled_event_id == self._last:
                    kind = failed.failure.application_failure_info.type
                    self.submitted = kind not in self._not_accepted
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                if timed_out.scheduled_event_id == self._last:
                    details = timed_out.failure.timeout_failure_info.last_heartbeat_details
                    record = read_record(await self._converter.decode(details.payloads) if details.payloads else [])
                    self.submitted, self.task_id = record is not None, record.task_id if record else None
            case _:
                pass

    async def _decode(self, payloads: Any) -> dict[str, Any]:
        values = await self._converter.decode(payloads)
        return values[0] if values and isinstance(values[0], dict) else {}


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
