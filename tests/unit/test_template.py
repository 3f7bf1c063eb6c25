"""What a template promises: the same words for the same time, numbers that time alone decides, and named mistakes."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from manxue.problem import Problem
from workflows.planned_times import Calendar, Interval, Times, read_cron
from workflows.rendering import MOST_BYTES, render
from workflows.run_input import RunInput, read_input
from workflows.template import Template

BERLIN = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 11, 25, 8, tzinfo=UTC)
"""9 o'clock on a Wednesday in Berlin."""
DAILY = {"cron": "0 9 * * *", "anchor": "2026-11-24T00:00:00Z"}
LISTS = {"prompts": ["one", "two", "three"]}

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


@st.composite
def fields_of_cron(draw: st.DrawFn, least: int, most: int) -> str:
    low, high = sorted(draw(st.tuples(*[st.integers(least, most)] * 2)))
    step = draw(st.integers(1, most))
    return draw(st.sampled_from(["*", f"*/{step}", f"{low}", f"{low}-{high}", f"{low}-{high}/{step}", f"{low},{high}"]))


@st.composite
def crons(draw: st.DrawFn) -> str:
    minute, hour = draw(fields_of_cron(0, 59)), draw(fields_of_cron(0, 23))
    day, month, weekday = draw(fields_of_cron(1, 28)), draw(fields_of_cron(1, 12)), draw(fields_of_cron(0, 6))
    by_day = draw(st.booleans())
    return f"{minute} {hour} {day if by_day else '*'} {month} {'*' if by_day else weekday}"


times = st.one_of(
    st.builds(read_cron, crons(), zones.map(ZoneInfo)),
    st.builds(lambda every, offset: Interval(every, offset % every), st.integers(1, 10**6), st.integers(0, 10**6)),
)


def filled(text: Any, moment: datetime = NINE, **template: Any) -> Any:
    """What becomes of a prompt."""
    rendered = render({"request": {"prompt": text}}, made(**template), moment)
    assert rendered.problems == []
    return rendered.fields["request"]["prompt"]


def made(**template: Any) -> Template:
    return Template.model_validate({"timezone": "Europe/Berlin", "counter": DAILY, "lists": LISTS, **template})


def problems(text: Any, **template: Any) -> list[Problem]:
    return render({"request": {"prompt": text}}, made(**template), NINE).problems


def read(planned_for: datetime | None = NINE, **fields: Any) -> RunInput:
    """The input of a run."""
    return read_input(RawValue(Payload(data=json.dumps(fields).encode())), planned_for=planned_for)


@pytest.mark.parametrize(
    ("text", "made_of_it"),
    [
        ("{{ scheduled:%A }}, {{scheduled:%-d %B %Y}}", "Wednesday, 25 November 2026"),
        ("{{ scheduled:%H:%M %Z, %a %b %p, 100%% }}", "09:00 CET, Wed Nov AM, 100%"),
        ("{{ scheduled }}", "2026-11-25T09:00:00+01:00"),
        ("{{ utc:%Y%m%dT%H%M%SZ }} {{ utc }}", "20261125T080000Z 2026-11-25T08:00:00+00:00"),
        ("take {{ counter }}, {{ counter:03 }}", "take 2, 002"),
        ("{{ counter }}", 2),
        ("{{ pick(prompts) }} and {{pick( prompts )}}", "two and two"),
        ("{{ pick(days) }}", "Wednesday, number 2"),
        ("{{ pick(scenes) }}", [{"first_image": "of-2.png"}]),
        ("{ counter }} }}", "{ counter }} }}"),
    ],
)
def test_placeholders_become_what_they_stand_for(text: str, made_of_it: Any) -> None:
    more = {"days": ["{{ scheduled:%A }}, number {{ counter }}"], "scenes": [[{"first_image": "of-{{ counter }}.png"}]]}
    assert filled(text, lists={**LISTS, **more}) == made_of_it


@pytest.mark.parametrize(
    ("text", "rule", "hint"),
    [
        ("{{ schedule:%A }}", "choice", "did you mean `scheduled`?"),
        ("{{ nothing", "format", "has a placeholder that cannot be read"),
        ("{{ }}", "format", "has a placeholder that cannot be read"),
        ("{{ scheduled.__class__ }}", "format", "has a placeholder that cannot be read"),
        ("{{ scheduled:%Q }}", "format", "has a time format that is not one of %A, %B"),
        ("{{ scheduled:% }}", "format", "has a time format that is not one of %A, %B"),
        ("{{ counter:x }}", "format", "must be a width"),
        ("{{ counter(prompts) }}", "format", "must be one of {{ scheduled:%A }}"),
        ("{{ pick(prompt) }}", "choice", "`template.lists` does not have: it has prompts, nested, numbers"),
        ("{{ pick }}", "format", "must be one of"),
        ("{{ pick(nested) }}", "choice", "there is {{ scheduled:%A }}, {{ utc }}, {{ counter }}"),
        ("a {{ pick(numbers) }}", "type", "must stand alone"),
    ],
)
def test_a_placeholder_that_stands_for_nothing_is_named(text: str, rule: str, hint: str) -> None:
    lists = {**LISTS, "nested": ["{{ pick(nested) }}"], "numbers": [[1], [2]]}
    (found,) = problems(text, lists=lists)
    assert found.field in ("prompt", "template.lists.nested[1]", "template.lists.nested[0]")
    assert (found.rule, hint in found.hint) == (rule, True), found


def test_hostile_templates_end_soon_and_small() -> None:
    assert len(problems(["{{" * 100, *["{{ x }}"] * 1000])) == 100
    assert problems("{{" * 100_000)[0].rule == "format"
    (found,) = problems("{{ pick(large) }}" * 10_000, lists={"large": ["x" * 1000]})
    assert (found.field, found.rule) == ("prompt", "range")
    (found,) = problems("{{ scheduled }}" * 15_000)
    assert (found.field, found.rule) == ("template", "range")
    assert len(filled("{{ pick(large) }}", lists={"large": ["x" * (MOST_BYTES // 2)]})) == MOST_BYTES // 2


@settings(deadline=None)  # a loaded machine is no mistake
@given(times, moments, st.integers(1, 40))
def test_each_planned_time_has_the_next_number_wherever_counting_begins(
    planned: Times, start: datetime, n: int
) -> None:
    coming = list(islice(planned.following(start), n + 1))
    spring_or_autumn = (
        isinstance(planned, Calendar)
        and len({time.astimezone(planned.zone).utcoffset() for time in (start, *coming)}) > 1
    )
    numbers = [planned.between(start, time) for time in coming]
    if not spring_or_autumn:
        assert numbers == list(range(1, len(coming) + 1))
        assert all(planned.between(time, start) == -number for number, time in zip(numbers, coming, strict=True))
        assert all(
            planned.between(start, time + timedelta(seconds=59)) >= number
            for number, time in zip(numbers, coming, strict=True)
        )
    assert coming == sorted(set(coming))
    assert all(time > start for time in coming)


@settings(deadline=None)
@given(times, moments, moments, moments)
def test_counting_adds_up(planned: Times, first: datetime, second: datetime, third: datetime) -> None:
    assert planned.between(first, second) + planned.between(second, third) == planned.between(first, third)


def test_a_hundred_years_of_minutes_are_counted_at_once() -> None:
    minutely = read_cron("* * * * *", BERLIN)
    whole = minutely.between(datetime(2000, 1, 1, tzinfo=BERLIN), datetime(2100, 1, 1, tzinfo=BERLIN))
    assert whole == 36525 * 24 * 60


def test_times_before_the_anchor_count_down_and_a_time_between_two_has_the_number_of_the_earlier() -> None:
    numbers = {day: made().number(datetime(2026, 11, day, 8, tzinfo=UTC)) for day in (22, 23, 24, 25, 26)}
    assert numbers == {22: -1, 23: 0, 24: 1, 25: 2, 26: 3}
    assert [made().number(NINE + timedelta(seconds=n)) for n in (-1, 0, 3 * 3600)] == [1, 2, 2]


def test_daylight_saving_leaves_the_local_time_and_the_numbers_as_they_are() -> None:
    october = {"cron": "0 9 * * *", "anchor": "2026-10-24T00:00:00+02:00"}
    shown = [
        filled("{{ counter }}: {{ scheduled:%H:%M %Z }}, {{ utc:%H:%M }}", time, counter=october)
        for time in islice(read_cron("0 9 * * *", BERLIN).following(datetime(2026, 10, 24, tzinfo=UTC)), 3)
    ]
    assert shown == ["1: 09:00 CEST, 07:00", "2: 09:00 CET, 08:00", "3: 09:00 CET, 08:00"]


@pytest.mark.parametrize(
    ("cron", "hint"),
    [
        ("0 9 * *", "must have five fields"),
        ("0 0 9 * * * *", "must have five fields"),
        ("60 9 * * *", "has a minute that is not 0 to 59: `60`"),
        ("0 9 * * FRI-MON", "has a day of week that cannot be read: `FRI-MON`"),
        ("0 9 1 * MON", "must not limit both day of month and day of week"),
        ("*/0 9 * * *", "has a minute that cannot be read: `*/0`"),
        ("0 9 L * *", "has a day of month that is not 1 to 31: `L`"),
        ("0 9 * foo *", "has a month that is not 1 to 12, or JAN to DEC: `foo`"),
    ],
)
def test_a_cron_expression_that_temporal_would_not_read_is_refused(cron: str, hint: str) -> None:
    (found,) = read(request={}, template={"counter": {**DAILY, "cron": cron}}).problems
    assert (found.field, found.rule) == ("template.counter.cron", "format")
    assert hint in found.hint


def test_an_input_with_a_template_is_filled_in_before_it_is_judged() -> None:
    template = {"timezone": "Europe/Berlin", "counter": DAILY, "lists": {"seconds": [4, 8, 15]}}
    request = {"prompt": "{{ scheduled:%A }}", "duration": "{{ pick(seconds) }}"}
    run = read(request=request, name="v-{{ utc:%Y%m%d }}", output="s3://b/{{ scheduled:%m }}/", template=template)
    assert run.problems == []
    assert run.given
    assert run.given.request == {"prompt": "Wednesday", "duration": 8}
    assert (run.given.name, run.given.output) == ("v-20261125", "s3://b/11/")


def test_the_time_is_the_templates_own_or_else_the_schedules_and_one_of_them_is_required() -> None:
    own = {"scheduled": "2026-11-26T09:00:00+01:00"}
    for template, moment, prompt in ((own, NINE, "26"), (own, None, "26"), ({}, NINE, "25")):
        given = read(moment, request={"prompt": "{{ utc:%d }}"}, template=template).given
        assert given
        assert given.request == {"prompt": prompt}
    lacking = read(None, request={"prompt": "{{ utc:%d }}"}, priority=9, template={})
    assert [(p.field, p.rule) for p in lacking.problems] == [("template.scheduled", "required"), ("priority", "range")]
    assert "request" not in lacking.fields


@pytest.mark.parametrize(
    ("template", "field", "rule"),
    [
        ({"timezone": "Nowhere/Land"}, "template.timezone", "format"),
        ({"timezone": "../../etc/passwd"}, "template.timezone", "format"),
        ({"lists": {"a": []}}, "template.lists.a", "empty"),
        ({"lists": {"a": "text"}}, "template.lists.a", "type"),
        ({"scheduled": "2026-11-26T09:00:00"}, "template.scheduled", "type"),
        ({"scheduled": "1026-11-26T09:00:00Z"}, "template.scheduled", "range"),
        ({"counter": {"anchor": "2026-11-26T09:00:00Z"}}, "template.counter", "conflict"),
        ({"counter": {**DAILY, "every": 60}}, "template.counter", "conflict"),
        ({"counter": {**DAILY, "cronn": ""}}, "template.counter.cronn", "unknown_field"),
        ({"list": {}}, "template.list", "unknown_field"),
        ("text", "template", "type"),
    ],
)
def test_a_wrong_template_is_named_by_field_and_rule(template: Any, field: str, rule: str) -> None:
    run = read(request={"prompt": "{{ pick(a) }}"}, template=template)
    assert [(p.field, p.rule) for p in run.problems] == [(field, rule)]
    assert run.given is None


def test_without_a_template_braces_are_text() -> None:
    run = read(request={"prompt": "{{ scheduled:%A }} {{"})
    assert run.given
    assert run.given.request == {"prompt": "{{ scheduled:%A }} {{"}
