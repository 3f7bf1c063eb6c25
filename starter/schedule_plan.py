"""A schedule as it is to be, checked whole before anything is made or changed: times, policy, and requests to come."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from temporalio.client import SchedulePolicy

from manxue.problem import problem
from starter.inputs import InvalidInput
from starter.request_file import Document
from starter.schedule_options import Options
from starter.schedule_request import Planned, numbered, planned, schedule_fields
from starter.schedule_times import When, times_of, when_of
from starter.schedules import Recurring
from starter.staging import LocalMedia
from workflows.planned_times import LAST_YEAR
from workflows.template import Numbering, Template

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Plan:
    """What is to be, right in every part."""

    policy: SchedulePolicy
    when: When | None = None
    """None where the times stay as they are."""
    fields: dict[str, Any] | None = None
    """The input of the runs; None where it stays as it is."""
    coming: list[Planned] = field(default_factory=list)
    """The next times with their requests, none after the end of the schedule."""
    checked: Planned | None = None
    """One of them, also where none comes before the end."""


def new_plan(
    name: str, given: Mapping[str, Any], document: Document, poll: Mapping[str, float], media: LocalMedia
) -> Plan:
    """A schedule from its options and its request file. Raises InvalidInput with all that is wrong."""
    options = Options(given)
    if not _NAME.fullmatch(name):
        hint = "must be 1 to 80 letters, digits, `.`, `_` or `-`, and start with a letter, a digit or `_`"
        options.problems.append(problem("NAME", "format", name, hint))
    when, policy = options.when(), options.policy()
    fields = schedule_fields(name, document, poll, media)
    if when is None:
        raise InvalidInput([*options.problems, *media.problems])
    counter = when.numbering(when.start or _next_second())
    fields = numbered(fields, when.timezone, counter)
    media.problems[:0] = options.problems
    plan = _checked(Plan(policy, when, fields), when, media)
    if not plan.coming and plan.checked:
        first = plan.checked.moment.isoformat()
        hint = f"must not be before the schedule's first time, which is {first}: it would never start a run"
        raise InvalidInput([problem("--end", "range", when.end and when.end.isoformat(), hint)])
    return plan


async def changed_plan(
    recurring: Recurring,
    given: Mapping[str, Any],
    document: Document | None,
    poll: Mapping[str, float],
    media: LocalMedia,
) -> Plan:
    """The same for a schedule that exists: what is not given stays as it is. Raises InvalidInput.

    Numbers go on where they are, also when the times change, here or from outside.
    """
    options, schedule = Options(given), recurring.description.schedule
    before = when_of(schedule.spec)
    when = options.when(before) if options.about_times else None
    policy = options.policy(schedule.policy)
    fields = await recurring.fields()
    template = _template(fields)
    if document:
        fields = schedule_fields(recurring.handle.id, document, poll, media)
    if options.problems:
        raise InvalidInput([*options.problems, *media.problems])
    now = when or before
    if now is None and document:
        hint = "is needed with a new request: the times were set elsewhere, to more than a cron expression can say"
        raise InvalidInput([problem("--cron", "required", None, hint), *media.problems])
    if now is None or (template is None and document is None):
        return Plan(policy, when)
    counter = _continued(template, now)
    if not document and when is None and template and counter == template.counter:
        return Plan(policy)
    fields = numbered(fields if document else _uncounted(fields), now.timezone, counter)
    return _checked(Plan(policy, when, fields), now, media)


def _checked(plan: Plan, when: When, media: LocalMedia) -> Plan:
    assert plan.fields is not None
    now = datetime.now(UTC)
    coming = planned(plan.fields, max(now, when.start - _SECOND) if when.start else now, media.problems)
    if not coming:
        hint = f"must have times of the schedule after it, before the year {LAST_YEAR + 1}"
        raise InvalidInput([problem("--start", "range", when.start and when.start.isoformat(), hint)])
    shown = [one for one in coming if when.end is None or one.moment <= when.end]
    return Plan(plan.policy, plan.when, plan.fields, shown, coming[0])


def _continued(template: Template | None, when: When) -> Numbering:
    """The old numbering where the times are the same, or else one that goes on with the next number."""
    anchor = _next_second() if when.start is None else max(when.start, _next_second())
    old = template.counter if template else None
    if template is None or old is None:
        return when.numbering(when.start or anchor)
    new = when.numbering(anchor)
    if old.times(template.timezone) == new.times(when.timezone):
        return old
    return when.numbering(anchor, old.number(anchor - _SECOND, template.timezone) + 1)


def _next_second() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + _SECOND


def _template(fields: Mapping[str, Any]) -> Template | None:
    try:
        return Template.model_validate(fields["template"])
    except (KeyError, ValidationError):
        return None


def _uncounted(fields: Mapping[str, Any]) -> dict[str, Any]:
    template = {name: value for name, value in fields["template"].items() if name != "counter"}
    return {**fields, "template": template}


def counts_other_times(recurring: Recurring, fields: Mapping[str, Any]) -> bool:
    """Whether the times of the schedule were changed from outside, so that its runs still count those before."""
    template, times = _template(fields), times_of(recurring.description.schedule.spec)
    return bool(template and template.counter and template.counter.times(template.timezone) != times)
