"""The published contract: which schemas there are. Files: schema/v1/*.json, written by `make schema`."""

from dataclasses import dataclass

from pydantic import BaseModel

from manxue.failure import Failure
from manxue.request_schema import KNOWN_MODEL, NULL, PLACEHOLDERS, Schema, create_task, create_task_template, either
from starter.events import WatchLine
from starter.schema_making import Side, schema_for
from workflows.batch_contract import BatchProgress, BatchResult, GenerateBatchInput
from workflows.contract import FailureDetails, GenerateVideoInput, Progress, Resolution, VideoResult
from workflows.nexus_contract import GenerateInput, ProgressInput, ResolveInput
from workflows.rendering import RENDERED
from workflows.webhook import Notification

VERSION = "v1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Published:
    """One model of the contract."""

    model: type[BaseModel]
    side: Side


PUBLISHED: dict[str, Published] = {
    "input": Published(GenerateVideoInput, "input"),
    "result": Published(VideoResult, "output"),
    "progress": Published(Progress, "output"),
    "failure": Published(Failure, "output"),
    "failure-details": Published(FailureDetails, "output"),
    "notification": Published(Notification, "output"),
    "resolution": Published(Resolution, "input"),
    "watch-line": Published(WatchLine, "output"),
    "batch-input": Published(GenerateBatchInput, "input"),
    "batch-progress": Published(BatchProgress, "output"),
    "batch-result": Published(BatchResult, "output"),
    "nexus-generate": Published(GenerateInput, "input"),
    "nexus-progress": Published(ProgressInput, "input"),
    "nexus-resolve": Published(ResolveInput, "input"),
}
"""By the name of the file. To publish one more, add its line here and run `make schema`."""


def schema_of(name: str) -> Schema:
    """The schema with this name."""
    published = PUBLISHED[name]
    made = schema_for(published.model, published.side)
    if published.model is GenerateVideoInput:
        made = _whole_input(made)
    return {"$schema": _DIALECT, "$id": f"urn:manxue:schema:{VERSION}:{name}", **made}


def _whole_input(made: Schema) -> Schema:
    """The input with what its model leaves to others: the fields of the request, nulls, and templates.

    A placeholder may stand in the fields that are templates, and only where there is a `template`.
    """
    fields = {name: form if name in made["required"] else _nullable(form) for name, form in made["properties"].items()}
    fields["request"] = {"description": fields["request"]["description"], "$ref": "#/$defs/CreateTask"}
    plain = {name: fields[name] for name in RENDERED}
    in_templates = {name: either(form, PLACEHOLDERS) for name, form in plain.items()}
    in_templates["request"]["anyOf"].insert(1, {"$ref": "#/$defs/CreateTaskTemplate"})
    only_known = {"properties": {"request": {"properties": {"model": KNOWN_MODEL}}}}
    return {
        **made,
        "properties": {**fields, **in_templates},
        "if": {"properties": {"template": NULL}},
        "then": {
            "properties": {name: {k: v for k, v in form.items() if k != "description"} for name, form in plain.items()},
            "if": {"properties": {"allow_unknown_model": {"enum": [False, None]}}},
            "then": only_known,
        },
        "$defs": {**made["$defs"], "CreateTask": create_task(), "CreateTaskTemplate": create_task_template()},
    }


def _nullable(form: Schema) -> Schema:
    """At the top level of the input null counts as not given."""
    return form if NULL in form.get("anyOf", []) else either(form, NULL)
