"""Any JSON at all, read as the input of `GenerateVideo`: never an exception, always a list of what is wrong."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.visibility import is_searchable
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem, problem, sentence, unknown_field
from manxue.request import check_request
from media.output import output_problem
from workflows.contract import GENERATE_VIDEO, GenerateVideoInput, Numbering, Poll, Resolution, Template
from workflows.notification import NotifyTarget, NotifyTargets
from workflows.rendering import MOST_BYTES, RENDERED, render
from workflows.run_state import ContinuedRun, RunState

_MOST_PROBLEMS = 100
"""Told of one input: they travel to an activity, in a payload whose size Temporal limits."""
_RESOLUTIONS = '{"action": "adopt", "task_id": "..."}, {"action": "resubmit"} or {"action": "abandon"}'

_RULES = {
    "missing": "required",
    "literal_error": "choice",
    "string_pattern_mismatch": "format",
    "string_too_short": "empty",
    "too_short": "empty",
    "too_long": "max_items",
    "string_too_long": "range",
    "value_error": "conflict",
    "enum": "choice",
    "url": "url",
}
_HINTS_BY_TYPE = {
    "time_delta": "must be a duration: an ISO 8601 string such as `PT30S`, or a number of seconds",
    "int": "must be a whole number",
    "bool": "must be true or false",
    "string": "must be a string",
    "model": "must be a JSON object",
    "dict": "must be a JSON object",
    "list": "must be a list",
    "tuple": "must be a list",
    "timezone": "must have an offset from UTC: `Z`, or as in `2026-11-25T09:00:00+01:00`",
    "datetime": "must be a time as in `2026-11-25T09:00:00Z`",
}
"""By the start of pydantic's name for the error."""
_HINTS_BY_FIELD = {
    "request": "is required: the provider's create-task body",
    "name": "must be 1 to 120 letters, digits, `.`, `_` or `-`, and start with a letter, a digit or `_`",
    "task_id": "must be a task id of the provider: 1 to 200 characters without white space",
}


_PARTS: dict[int | str, type[BaseModel]] = {
    "poll": Poll,
    "template": Template,
    "counter": Numbering,
    "notify": NotifyTarget,
}
"""Of the input, each with fields of its own."""
_RECEIVERS: TypeAdapter[tuple[NotifyTarget, ...]] = TypeAdapter(NotifyTargets)
NO_ARGUMENT = RawValue(Payload())


@dataclass(frozen=True)
class ArgumentCount:
    """Stands for an argument list that has not exactly one entry."""

    count: int


@dataclass(frozen=True)
class RunInput:
    """The input as far as it could be read."""

    given: GenerateVideoInput | None
    problems: list[Problem] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    """The top-level fields as they came; of a template, as they were filled in."""


def read_input(raw: RawValue | ArgumentCount, workflow_id: str = "", planned_for: datetime | None = None) -> RunInput:
    """Read the one argument. `given` is None when there are problems with the fields around `request`.

    A template is filled in for the time that it names itself, or else for `planned_for`.
    """
    read = _read(raw, planned_for)
    if not is_searchable(workflow_id):
        hint = "must not have quotes, backslashes or control characters: what was bought under it could not be found"
        problems = [problem("workflow id", "format", workflow_id, hint), *read.problems]
        return RunInput(None, problems, read.fields)
    return read


def input_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """All that breaks a rule which is known offline, in the input of one run and in its request."""
    return judge(fields)[1]


def judge(fields: Mapping[str, Any]) -> tuple[RunInput, list[Problem], CheckedRequest | None]:
    """The input as far as it could be read, all that is wrong with it, and the request when that is right."""
    run_input = read_input(RawValue(Payload(data=json.dumps(fields).encode())))
    filled_in = run_input.fields
    verdict = check_request(
        filled_in.get("request"),
        extra=filled_in.get("extra"),
        allow_unknown_model=filled_in.get("allow_unknown_model") is True,
    )
    problems = [*run_input.problems, *(verdict.problems if "request" in filled_in else [])]
    output = filled_in.get("output")
    if isinstance(output, str) and output and (hint := output_problem(output)):
        problems.append(problem("output", "url", output, hint))
    return run_input, problems, verdict.request


def _read(raw: RawValue | ArgumentCount, planned_for: datetime | None) -> RunInput:
    if isinstance(raw, ArgumentCount):
        return RunInput(None, [_argument(f"{GENERATE_VIDEO} takes exactly one argument, a JSON object", raw.count)])
    if (size := len(raw.payload.data)) > MOST_BYTES:
        # Above Temporal's limit for a payload it could not be handed to an activity: the task would fail for ever.
        return RunInput(None, [_argument(f"must be at most {MOST_BYTES} bytes of JSON", f"{size} bytes")])
    try:
        value = from_json(raw.payload.data, allow_inf_nan=False) if raw.payload.data else None
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity, and would be handed on as null
    except ValueError as error:
        return RunInput(None, [_argument(f"must be a JSON object ({error})", None)])
    if not isinstance(value, dict):
        return RunInput(None, [_argument("must be a JSON object with at least `request`", value)])
    optional = set(GenerateVideoInput.model_fields) - {"request"}
    value = {name: given for name, given in value.items() if given is not None or name not in optional}
    filled, problems = _filled_in(value, planned_for) if "template" in value else (value, [])
    fields = _without_templates(value) if filled is None else filled
    unread: dict[str, Any] = {"request": {}} if filled is None and "request" in value else {}
    try:
        given = GenerateVideoInput.model_validate({**fields, **unread})
    except ValidationError as error:
        return RunInput(None, _problems(error, problems), fields)
    return RunInput(None if filled is None else given, problems, fields)


def _filled_in(value: dict[str, Any], planned_for: datetime | None) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The fields with their placeholders filled in; None where that cannot be done."""
    try:
        template = Template.model_validate(value["template"])
    except ValidationError:
        return None, []  # told together with what else is wrong with the fields
    moment = template.scheduled or planned_for
    if moment is None:
        hint = "is required in a run that no schedule has started: the time to fill in the placeholders for"
        return None, [problem("template.scheduled", "required", None, hint)]
    rendered = render(value, template, moment)
    return (None if rendered.problems else rendered.fields), rendered.problems


def _without_templates(value: dict[str, Any]) -> dict[str, Any]:
    return {name: given for name, given in value.items() if name not in RENDERED}


def _problems(error: ValidationError, found: Sequence[Problem]) -> list[Problem]:
    """`request` and `extra` are judged, whole, by the provider's rules."""
    judged_here = [e for e in error.errors() if e["loc"][0] not in ("request", "extra") or e["type"] == "missing"]
    return [*found, *map(_problem, judged_here)][:_MOST_PROBLEMS]


def receivers(read: RunInput) -> tuple[NotifyTarget, ...]:
    """Who is to be notified, also of an input with which something else is wrong; nobody, when this part is wrong."""
    try:
        return _RECEIVERS.validate_python(read.fields.get("notify", ()))
    except ValidationError:
        return ()


def read_resolution(raw: RawValue) -> Resolution:
    """Read the argument of `resolve_submission`. Raises InvalidRequest, which refuses the update."""
    try:
        return Resolution.model_validate_json(raw.payload.data or b"null")
    except ValidationError as error:
        problems = problems_of(error, Resolution)
        kind = FailureType.INVALID_REQUEST
        message = f"{sentence(problems)}; give {_RESOLUTIONS}"
        details = FailureDetails(problems=problems).model_dump(mode="json")
        raise ApplicationError(message, details, type=kind, non_retryable=True) from None


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """What is wrong with something smaller than the input of a run: a `model` without parts."""
    fields = list(model.model_fields)
    otherwise = f"there is no such field, only {' and '.join(f'`{name}`' for name in fields)}"
    return [
        unknown_field(str(e["loc"][-1]), fields, otherwise) if e["type"] == "extra_forbidden" else _problem(e)
        for e in error.errors()
    ]


def _argument(hint: str, given: Any) -> Problem:
    return problem("input", "type", given, hint)


def _field(place: Iterable[int | str]) -> str:
    """As callers write it: `notify[1].url`."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return name.removeprefix(".") or "input"


def _problem(error: ErrorDetails) -> Problem:
    name = _field(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        parents = [part for part in error["loc"][:-1] if part in _PARTS]
        known = _PARTS[parents[-1]] if parents else GenerateVideoInput
        otherwise = "not a field of the input; provider fields go in `request`"
        return unknown_field(name, list(known.model_fields), otherwise)
    rule = _RULES.get(kind) or ("range" if "than" in kind else "type")
    given = None if kind == "missing" else error.get("input")
    return problem(name, rule, given, _HINTS_BY_FIELD.get(name) or _hint(kind, error["msg"]))


def _hint(kind: str, message: str) -> str:
    for start, hint in _HINTS_BY_TYPE.items():
        if kind.startswith(f"{start}_") and kind not in _RULES:
            return hint
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    message = re.sub(r"^(Tuple|List|String) should|(,| after validation,) not \d+$", _of_sizes, message)
    return message[:1].lower() + message[1:]


def _of_sizes(words: re.Match[str]) -> str:
    """Pydantic names Python's types, and how it works."""
    return "must" if words[1] else ""


def continued_state(raw: RawValue | ArgumentCount) -> RunState | None:
    """What an earlier run of the chain handed over; None for a run that somebody started."""
    if workflow.info().continued_run_id is None or isinstance(raw, ArgumentCount):
        return None
    try:
        return ContinuedRun.model_validate_json(raw.payload.data).continued
    except ValidationError:
        return None  # a server-side retry or a cron run also has a predecessor, but the caller's input
