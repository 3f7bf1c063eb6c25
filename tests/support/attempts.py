"""How often Temporal started the activities of a run."""

from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent


def attempts(events: Iterable[HistoryEvent], *names: str) -> list[int]:
    """Of each activity with one of the names, in their order; 0 where no worker began it, or it was given up."""
    scheduled: dict[int, int] = {}
    for event in events:
        started = event.activity_task_started_event_attributes
        if event.activity_task_scheduled_event_attributes.activity_type.name in names:
            scheduled[event.event_id] = 0
        elif started.scheduled_event_id in scheduled:
            scheduled[started.scheduled_event_id] = started.attempt
    return list(scheduled.values())
