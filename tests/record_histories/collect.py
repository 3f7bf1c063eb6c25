"""What the server has of the scenes, as files: each kind of course once, without what only this machine has."""

import re
import socket
from collections import Counter
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from temporalio.api.history.v1 import History

from tests.record_histories.stage import Stage
from tests.support.processes import ROOT
from worker import WORKFLOWS

_EMPTIED = {"identity", "stack_trace", "metering_metadata", "request_id"}
"""Fields that replaying does not need, and that tell of processes and paths."""


async def collect(on: Stage) -> dict[str, dict[str, Any]]:
    """File name -> one run's history."""
    places = {
        **on.places,
        on.provider.url: "https://provider.example.com",
        on.server.address: "temporal.example.com:7233",
        str(on.folder): "/srv/manxue",
        str(ROOT): "/app",
        socket.gethostname(): "host",
    }
    found: dict[str, dict[str, Any]] = {}
    shapes: set[tuple[str, ...]] = set()
    names: Counter[str] = Counter()
    types = " OR ".join(f"WorkflowType = '{workflow.__temporal_workflow_definition.name}'" for workflow in WORKFLOWS)  # type: ignore[attr-defined]
    runs = [run async for run in on.client.list_workflows(types)]
    for run in sorted(runs, key=lambda run: run.start_time):
        handle = on.client.get_workflow_handle(run.id, run_id=run.run_id)
        history = History(events=(await handle.fetch_history()).events)
        shape = (run.workflow_type, *_shape(history))
        if shape in shapes and not _is_of_a_scene(run.id):
            continue
        shapes.add(shape)
        _scrub(history, places)
        name = f"{run.workflow_type}.{_word(run.id, history)}"
        names[name] += 1
        found[f"{name}.{names[name]}.json"] = {"workflowId": run.id, **MessageToDict(history)}
    return found


def _word(workflow_id: str, history: History) -> str:
    """The scene's word: in the id, or in the name of the image that a review is about."""
    payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
    about = re.search(rb"/media/([\w-]+)\.png", payloads[0].data) if payloads else None
    if workflow_id.startswith("asset-") and about:
        return about[1].decode()
    return re.sub(r"[^A-Za-z0-9-]+", "-", re.sub(r"[0-9a-f]{8,}|-\d{4}-\d\d-\d\dT.*", "", workflow_id)).strip("-")


def _is_of_a_scene(workflow_id: str) -> bool:
    """Scenes start runs under plain ids; what those start in turn, as the lines of a batch, is much alike."""
    return re.search(r"[0-9a-f]{8,}", workflow_id) is None


def _shape(history: History) -> list[str]:
    """The kinds of events in their order, with the types of activities."""
    return [
        f"{event.event_type} {event.activity_task_scheduled_event_attributes.activity_type.name}"
        for event in history.events
    ]


def _scrub(message: Message, places: dict[str, str]) -> None:
    for field, value in message.ListFields():
        if field.name in _EMPTIED:
            message.ClearField(field.name)
        elif field.message_type and field.message_type.GetOptions().map_entry:
            _scrub_map(value, field.message_type.fields_by_name["value"].message_type is not None, places)
        elif field.is_repeated:
            for index, each in enumerate(value):
                if isinstance(each, Message):
                    _scrub(each, places)
                elif isinstance(each, str | bytes):
                    value[index] = _replaced(each, places)
        elif isinstance(value, Message):
            _scrub(value, places)
        elif isinstance(value, str | bytes):
            setattr(message, field.name, _replaced(value, places))


def _scrub_map(values: Any, of_messages: bool, places: dict[str, str]) -> None:
    for key in list(values):
        if of_messages:
            _scrub(values[key], places)
        elif isinstance(values[key], str | bytes):
            values[key] = _replaced(values[key], places)


def _replaced(value: str | bytes, places: dict[str, str]) -> str | bytes:
    for there, here in places.items():
        value = value.replace(there, here) if isinstance(value, str) else value.replace(there.encode(), here.encode())
    return value
