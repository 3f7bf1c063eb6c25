"""What a schedule asks for: a request file as a template, filled in and checked for the times to come."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from manxue.checked_request import CheckedRequest
from manxue.problem import Problem, problem
from starter.inputs import InvalidInput, check, compose
from starter.request_file import Document
from starter.staging import LocalMedia
from workflows.rendering import placeholders, render
from workflows.template import Numbering, Template

STAMP = "{{ utc:%Y%m%dT%H%M%SZ }}"
"""No two runs of a schedule have the same: Temporal makes it part of the workflow id."""
_TOLD_APART_BY = ("%Y", "%m", "%d", "%H", "%M", "%S")
_LEAST_CHECKED, _MOST_CHECKED = 60, 1000
"""Times: as many as the lists have combinations, within these bounds."""
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Planned:
    """One time with what will be ordered then."""

    moment: datetime
    number: int
    fields: dict[str, Any]
    """The input of the run, filled in."""
    request: CheckedRequest


def schedule_fields(name: str, document: Document, poll: Mapping[str, float], media: LocalMedia) -> dict[str, Any]:
    """The input of the runs from a request file, files of this machine exchanged for where they will be staged."""
    fields = dict(document.fields)
    output = fields.get("output")
    if isinstance(output, str) and "{{" in output and "://" not in output:
        hint = "must be a URL where it has placeholders, such as file:///videos/{{ scheduled:%Y }}/"
        media.problems.append(problem("output", "format", output, hint))
        fields.pop("output")
    if fields.get("task_id") is not None:
        hint = "must not be given to a schedule: every run would fetch that one task again"
        media.problems.append(problem("task_id", "conflict", fields.pop("task_id"), hint))
    fields = compose({}, replace(document, fields=fields), poll)
    fields["name"] = _stem(fields.get("name"), name)
    template = {} if fields.get("template") is None else fields["template"]
    if isinstance(template, dict) and template.get("scheduled") is not None:
        hint = "must not be given to a schedule: each run has its own time"
        media.problems.append(problem("template.scheduled", "conflict", template["scheduled"], hint))
    fields["template"] = media.in_template(template, fields.get("request"), document.folder)
    fields["request"] = media.in_request(fields.get("request"), {}, document.folder)
    return fields


def numbered(fields: Mapping[str, Any], timezone: str, counter: Numbering) -> dict[str, Any]:
    """The same fields, with the times that their placeholders count."""
    template = fields.get("template")
    if not isinstance(template, dict):
        return dict(fields)
    told = template.get("counter")
    own = {name: told[name] for name in ("anchor", "first") if isinstance(told, dict) and name in told}
    plain = counter.model_dump(mode="json", exclude_defaults=True)
    return {**fields, "template": {**template, "timezone": timezone, "counter": {**plain, **own}}}


def planned(fields: Mapping[str, Any], after: datetime, known: Sequence[Problem] = ()) -> list[Planned]:
    """The next times with their requests: enough of them to see every entry of every list at least once.

    Raises InvalidInput with all that is wrong at any of them, what is `known` to be wrong first.
    """
    try:
        template = Template.model_validate(fields["template"])
    except ValidationError:
        check(fields, known)
        raise
    assert template.counter
    problems = {str(one): one for one in known}
    found = []
    for moment in islice(template.counter.times(template.timezone).following(after), _enough(template)):
        try:
            found.append(_at(moment, fields, template))
        except InvalidInput as error:
            for one in error.problems:
                problems.setdefault(f"{one.field} {one.rule} {one.given}", one)
    if problems:
        raise InvalidInput(list(problems.values())[:_MOST_PROBLEMS])
    return found


def _at(moment: datetime, fields: Mapping[str, Any], template: Template) -> Planned:
    rendered = render(dict(fields), template, moment)
    number = template.number(moment) or 0
    filled = {name: value for name, value in rendered.fields.items() if name != "template"}
    if rendered.problems:
        raise InvalidInput(rendered.problems)
    try:
        _, request = check(filled)
    except InvalidInput as error:
        if not rendered.picked and "{{" not in str(fields.get("request")):
            raise
        picked = f", with {' and '.join(rendered.picked)}" if rendered.picked else ""
        shown = f"{moment.astimezone(ZoneInfo(template.timezone)):%Y-%m-%d %H:%M:%S %Z}"
        where = f" (at {shown}, number {number}{picked})"
        told = [one.model_copy(update={"hint": f"{one.hint}{where}"}) for one in error.problems]
        raise InvalidInput(told) from None
    return Planned(moment, number, filled, request)


def _enough(template: Template) -> int:
    lengths = [len(entries) for entries in template.lists.values()]
    together = math.lcm(*lengths)
    return max(_LEAST_CHECKED, together if together <= _MOST_CHECKED else max(lengths))


def _stem(name: Any, schedule: str) -> Any:
    """A file name stem that no two runs share, since each has its own time."""
    if name is None:
        return f"{schedule}-{STAMP}"
    if not isinstance(name, str):
        return name
    formats = [found.format or "" for found in placeholders(name) if found.word == "utc"]
    unique = any(all(part in form for part in _TOLD_APART_BY) for form in formats)
    return name if unique else f"{name}-{STAMP}"
