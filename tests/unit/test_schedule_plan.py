"""What is checked before a schedule is made: options, times, and every request that its lists can make."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from manxue.problem import Problem
from media.staging import bucket_staging
from starter.inputs import InvalidInput
from starter.request_file import Document
from starter.schedule_plan import Plan, new_plan
from starter.staging import LocalMedia
from tests.support.media_server import image

LISTS = {"prompts": ["one", "two", "three"], "lengths": [4, 8]}
REQUEST = {"model": "sd2_manxue_720p", "prompt": "{{ pick(prompts) }}", "duration": "{{ pick(lengths) }}"}


def plan(folder: Path | None = None, /, name: str = "promo", lists: Any = None, **given: Any) -> Plan:
    """A schedule of `given` options, fields of the input and fields of the request."""
    options = {key: given.pop(key) for key in list(given) if key in OPTIONS} or {"cron": "0 9 * * *"}
    around = {key: given.pop(key) for key in list(given) if key in ("name_", "output", "task_id", "template")}
    fields = {"request": {**REQUEST, **given}, "template": {"lists": LISTS if lists is None else lists}}
    fields |= {key.rstrip("_"): value for key, value in around.items()}
    place = bucket_staging("s3://bucket/staging/") if folder else None
    return new_plan(name, options, Document(fields, folder or Path()), {}, LocalMedia(place, templates=True))


OPTIONS = ("cron", "every", "timezone", "start", "end", "jitter", "overlap", "catchup", "pause_on_failure")


def problems(**given: Any) -> list[Problem]:
    with pytest.raises(InvalidInput) as raised:
        plan(**given)
    return raised.value.problems


def test_the_times_to_come_are_shown_with_requests_that_rotate_and_names_that_differ() -> None:
    made = plan(cron="0 9 * * MON-FRI", timezone="Europe/Berlin", start="2030-03-28", end="2030-04-03T09:00")
    assert [f"{one.moment:%a %d %H:%M}" for one in made.coming] == [
        "Thu 28 08:00",
        "Fri 29 08:00",
        "Mon 01 07:00",
        "Tue 02 07:00",
        "Wed 03 07:00",
    ]
    assert [one.number for one in made.coming] == [1, 2, 3, 4, 5]
    assert [one.request.prompt for one in made.coming] == ["one", "two", "three", "one", "two"]
    assert [one.request.duration for one in made.coming] == [4, 8, 4, 8, 4]
    assert made.coming[2].fields["name"] == "promo-20300401T070000Z"


@pytest.mark.parametrize(
    ("given", "made_of_it"),
    [
        ("lighthouse", "lighthouse-20300101T000000Z"),
        ("{{ scheduled:%A }}", "Tuesday-20300101T000000Z"),
        ("{{ utc:%Y-%m-%d_%H.%M.%S }}", "2030-01-01_00.00.00"),
        ("{{ utc:%Y-%m-%d }}", "2030-01-01-20300101T000000Z"),
    ],
)
def test_a_name_that_could_come_twice_gets_the_time(given: str, made_of_it: str) -> None:
    assert plan(every="1h", start="2030-01-01", name_=given).coming[0].fields["name"] == made_of_it


def test_times_of_every_begin_at_the_start_and_else_at_even_times() -> None:
    assert [one.moment.minute for one in plan(every="90m", start="2030-01-01T00:07").coming][:3] == [7, 37, 7]
    assert {one.moment.minute for one in plan(every="1h").coming} == {0}


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        ({"name": "pro mo"}, "NAME", "format"),
        ({"name": "x" * 81}, "NAME", "format"),
        ({"timezone": "UTC"}, "--cron", "required"),
        ({"cron": "0 9 * * *", "every": "1h"}, "--every", "conflict"),
        ({"cron": "0 25 * * *"}, "--cron", "format"),
        ({"cron": "0 0 31 2 *"}, "--cron", "range"),
        ({"cron": "0 0 29 2 *", "start": "2096-03-01"}, "--start", "range"),
        ({"every": "soon"}, "--every", "format"),
        ({"every": "1.5s"}, "--every", "format"),
        ({"every": "0"}, "--every", "range"),
        ({"every": "31d"}, "--every", "range"),
        ({"every": "1h", "jitter": "x"}, "--jitter", "format"),
        ({"every": "1h", "catchup": "5s"}, "--catchup", "range"),
        ({"every": "1h", "timezone": "Mars"}, "--timezone", "choice"),
        ({"every": "1h", "start": "tomorrow"}, "--start", "format"),
        ({"every": "1h", "start": "2030-01-02", "end": "2030-01-01"}, "--end", "range"),
        ({"every": "1h", "end": "2020-01-01"}, "--end", "range"),
        ({"cron": "0 9 * * *", "start": "2030-01-01T10:00", "end": "2030-01-02T08:00"}, "--end", "range"),
        ({"every": "1h", "pause_on_failure": True}, "--pause-on-failure", "requires"),
        ({"every": "1h", "task_id": "task-1"}, "task_id", "conflict"),
        ({"every": "1h", "output": "videos/{{ counter }}"}, "output", "format"),
        ({"every": "1h", "output": "ftp://{{ counter }}/"}, "output", "url"),
        ({"every": "1h", "template": {"scheduled": "2030-01-01T00:00:00Z"}}, "template.scheduled", "conflict"),
        ({"every": "1h", "template": "text"}, "template", "type"),
        ({"every": "1h", "name_": "{{ scheduled:%H:%M }}"}, "name", "format"),
    ],
)
def test_what_is_wrong_is_named_by_field_and_rule(given: dict[str, Any], field: str, rule: str) -> None:
    found = problems(**given)
    assert (field, rule) in [(one.field, one.rule) for one in found], found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems(name="-", every="never", catchup="1s", prompt="{{ nothing }}", first_image="x/{{ counter }}.png")
    assert {one.field for one in found} == {"NAME", "--every", "--catchup", "first_image"}
    assert {one.field for one in problems(every="1h", task_id="t", prompt="{{ nothing }}")} == {"task_id", "prompt"}


@pytest.mark.parametrize("place", [0, 1, 40])
def test_every_entry_of_every_list_is_tried_before_anything_is_made(place: int) -> None:
    lengths = [4] * 41
    lengths[place] = 40
    (found,) = problems(lists={**LISTS, "lengths": lengths})
    assert (found.field, found.rule, found.given) == ("duration", "range", 40)
    assert f"lengths[{place}])" in found.hint


def test_files_in_lists_that_media_pick_are_staged_and_others_are_words(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(image(width=640 if name == "a.png" else 641))
    lists = {"prompts": ["a.png"], "lengths": [4], "faces": ["a.png", "b.png"], "sets": [["a.png"], ["b.png", "a.png"]]}
    made = plan(tmp_path, lists=lists, first_image="{{ pick(faces) }}")
    images = [one.request.first_image for one in made.coming[:3]]
    assert images[0] == images[2] != images[1]
    assert all(url and url.startswith("s3://bucket/staging/") for url in images)
    assert {one.request.prompt for one in made.coming} == {"a.png"}
    several = plan(tmp_path, lists=lists, referenceImages="{{ pick(sets) }}").coming[1].request.reference_images
    assert several == (images[1], images[0])
    whole = [{"model": "sd2_manxue_720p", "prompt": "p", "first_image": name} for name in ("a.png", "b.png")]
    document = Document({"request": "{{ pick(all) }}", "template": {"lists": {"all": whole}}}, tmp_path)
    media = LocalMedia(bucket_staging("s3://bucket/staging/"), templates=True)
    rotated = new_plan("x", {"every": "1h"}, document, {}, media).coming
    assert [one.request.first_image for one in rotated[:3]] == images
    with pytest.raises(InvalidInput, match=r"template.lists.faces\[0\]: is a file of this machine"):
        plan(lists={**lists, "faces": [str(tmp_path / "a.png")]}, first_image="{{ pick(faces) }}")


def test_the_file_may_say_where_numbers_begin() -> None:
    counter = {"first": 100, "anchor": (datetime.now(UTC) + timedelta(days=2)).isoformat()}
    numbers = [one.number for one in plan(every="1d", template={"lists": LISTS, "counter": counter}).coming]
    assert numbers[:4] in ([98, 99, 100, 101], [97, 98, 99, 100])
