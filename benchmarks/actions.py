"""What Temporal Cloud bills of a history, by https://docs.temporal.io/cloud/actions as read in November 2026.

One action each: a start, by a client or by continuing as new; a timer; every attempt of an activity; a command that
upserts search attributes; a signal; an update; a marker, of which all of one workflow task are one; a Nexus operation;
changed options; the start of a child, besides the child's own. Not billed: memos, workflow tasks, ends. A heartbeat
is one where it reaches the server, and is in no history.
"""

from collections.abc import Iterable

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

_ONE = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
}


def actions(events: Iterable[HistoryEvent]) -> int:
    """Of one run. An activity that no worker has begun is not counted."""
    count, marked = 0, set[int]()
    for event in events:
        if event.event_type in _ONE:
            count += 1
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            count += event.activity_task_started_event_attributes.attempt
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            marked.add(event.marker_recorded_event_attributes.workflow_task_completed_event_id)
    return count + len(marked)
