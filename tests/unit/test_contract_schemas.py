"""The published contract: the files are what the models say, they say what the worker does, and they only grow."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from manxue.request import FIELDS, check_request
from starter.cli.exit_codes import Stopped
from starter.cli.schema import as_text, schema
from starter.contract_schemas import PUBLISHED, VERSION, schema_of
from starter.schema_changes import breaks
from tests.support.contract import FOLDER, published, validator
from tests.unit.request_strategies import SPOILT, VALID, Case
from tests.unit.test_request import REPEATABLE
from workflows.run_input import input_problems

CAT = {"model": "sd2_manxue_720p", "prompt": "a cat"}
URL = "https://cdn.example.com/a.png"
TEMPLATE = {
    "lists": {"scenes": [CAT], "faces": [[URL]]},
    "counter": {"every": "PT1H", "anchor": "2026-11-25T08:00:00Z"},
    "scheduled": "2026-11-25T09:00:00Z",
}


def test_the_files_are_what_the_models_say_now() -> None:
    assert {path.stem: path.read_text() for path in FOLDER.iterdir()} == {
        name: as_text(schema_of(name)) for name in PUBLISHED
    }, "run `make schema`"


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_a_schema_and_explains_every_field(name: str) -> None:
    whole = published(name)
    Draft202012Validator.check_schema(whole)
    assert whole["$id"] == f"urn:manxue:schema:{VERSION}:{name}"
    assert [part for part in ("title", "description") if not whole.get(part)] == []
    assert list(unexplained(whole, name)) == []


def test_the_command_prints_a_file_and_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    schema(name="result")
    schema()
    assert capsys.readouterr().out == (FOLDER / "result.json").read_text() + "\n".join(PUBLISHED) + "\n"


def unexplained(node: Any, place: str) -> Iterator[str]:
    """The fields of published objects that have no description."""
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in parts:
        if key == "properties" and place.split("/")[-1] not in ("then", "if", "request"):
            yield from (f"{place}/{n}" for n, f in value.items() if not f.get("description") and "const" not in f)
        yield from unexplained(value, f"{place}/{key}")


def test_the_request_has_every_field_of_the_provider() -> None:
    for form in ("CreateTask", "CreateTaskTemplate"):
        assert set(published("input")["$defs"][form]["properties"]) == set(FIELDS)


def whole_input(case: Case) -> dict[str, Any]:
    return {"request": case.request, "extra": case.extra, "allow_unknown_model": case.allow_unknown_model}


def test_whatever_request_the_worker_accepts_the_schema_accepts() -> None:
    accepted = 0

    def agrees(case: Case) -> None:
        nonlocal accepted
        if check_request(case.request, extra=case.extra, allow_unknown_model=case.allow_unknown_model).request:
            accepted += 1
            assert [error.message for error in validator("input").iter_errors(whole_input(case))] == []

    for cases, examples in (*((valid, 60) for valid in VALID.values()), (st.one_of(*SPOILT.values()), 200)):
        settings(REPEATABLE, max_examples=examples)(given(cases)(agrees))()
    assert accepted > 300


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({}, True),
        ({"request": None}, False),
        ({"request": "{{ pick(scenes) }}"}, False),
        ({"request": {**CAT, "image": None, "duration": None, "referenceImages": []}}, True),
        ({"request": {**CAT, "promt": "a dog"}}, False),
        ({"request": {**CAT, "model": "sd2_manxue_8k"}}, False),
        ({"request": {**CAT, "model": "sd2_manxue_8k"}, "allow_unknown_model": True}, True),
        ({"request": {**CAT, "duration": 16}}, False),
        ({"request": {**CAT, "duration": "5"}}, False),
        ({"request": {**CAT, "ratio": "16:10"}}, False),
        ({"request": {**CAT, "first_image": "a.png"}}, False),
        ({"request": {**CAT, "referenceVideos": [URL] * 4}}, False),
        ({"request": {"prompt": "a cat"}}, False),
        ({"output": None, "name": None, "asset_review": None, "poll": None, "deadline": None, "template": None}, True),
        ({"outputs": "file:///x/"}, False),
        ({"name": "../x"}, False),
        ({"name": "{{ counter }}"}, False),
        ({"asset_review": "some"}, False),
        ({"strict_media": 1}, False),
        ({"deadline": "PT2H"}, True),
        ({"deadline": 7200}, True),
        ({"deadline": 0.5}, False),
        ({"deadline": "2h"}, False),
        ({"deadline": True}, False),
        ({"poll": {"first": 0, "interval": "PT30.5S", "max_interval": None}}, True),
        ({"poll": {"every": 30}}, False),
        ({"task_id": "task-1"}, True),
        ({"task_id": "task 1"}, False),
        ({"priority": 6}, False),
        ({"priority": "1"}, False),
        ({"tenant": ""}, False),
        ({"extra": {"seed": 7}}, True),
        ({"extra": [7]}, False),
        ({"template": TEMPLATE, "request": "{{ pick(scenes) }}", "name": "no-{{ counter:03 }}"}, True),
        ({"template": TEMPLATE, "request": {**CAT, "referenceImages": "{{ pick(faces) }}"}}, True),
        ({"template": {**TEMPLATE, "counter": {"every": 3600}}}, False),
        ({"template": TEMPLATE, "request": {**CAT, "promt": "{{ counter }}"}}, False),
    ],
)
def test_schema_and_worker_agree_on_the_input(fields: dict[str, Any], accepted: bool) -> None:
    value = {"request": CAT, **fields}
    assert validator("input").is_valid(value) == accepted
    assert (input_problems(value) == []) == accepted


Change = Callable[[dict[str, Any]], Any]

HOSTILE: dict[str, tuple[str, Change]] = {
    "an input field is removed": ("input", lambda s: s["properties"].pop("tenant")),
    "a new input field is required": ("input", lambda s: s["required"].append("output")),
    "an input is another type": ("resolution", lambda s: s["properties"]["action"].update(type="integer")),
    "an input has fewer values": ("resolution", lambda s: s["properties"]["action"]["enum"].remove("abandon")),
    "an input takes null no more": ("input", lambda s: s["properties"]["priority"]["anyOf"].pop()),
    "an input has a tighter limit": (
        "input",
        lambda s: s["$defs"]["Poll"]["properties"]["first"]["anyOf"][1].update(maximum=60),
    ),
    "an input has a new pattern": ("input", lambda s: s["properties"]["tenant"]["anyOf"][0].update(pattern="^[a-z]+$")),
    "a model is refused": (
        "input",
        lambda s: s["then"]["then"]["properties"]["request"]["properties"]["model"]["enum"].pop(),
    ),
    "a request takes fewer images": (
        "input",
        lambda s: s["$defs"]["CreateTask"]["properties"]["referenceImages"]["anyOf"][0].update(maxItems=4),
    ),
    "an output field is removed": ("result", lambda s: s["properties"].pop("polls")),
    "an output field may be absent": ("result", lambda s: s["required"].remove("polls")),
    "an output field may be null": ("result", lambda s: s["properties"].update(polls={"type": ["integer", "null"]})),
    "an output field is another type": (
        "result",
        lambda s: s["$defs"]["Video"]["properties"]["fps"].update(type="string"),
    ),
    "an output field has a form more": (
        "progress",
        lambda s: s["properties"]["eta"]["anyOf"].append({"type": "number"}),
    ),
    "a word of an output is renamed": ("progress", lambda s: s["$defs"]["Phase"]["enum"].__setitem__(0, "checking")),
    "a line of watch is gone": ("watch-line", lambda s: s["oneOf"].pop()),
}
HARMLESS: dict[str, tuple[str, Change]] = {
    "a new optional input field": ("input", lambda s: s["properties"].update(colour={"type": "array"})),
    "a wider limit of an input": ("input", lambda s: s["properties"]["priority"]["anyOf"][0].update(maximum=9)),
    "a new value of an input": ("resolution", lambda s: s["properties"]["action"]["enum"].append("wait")),
    "a new model": (
        "input",
        lambda s: s["then"]["then"]["properties"]["request"]["properties"]["model"]["enum"].append("sd3"),
    ),
    "a new output field": (
        "result",
        lambda s: (s["properties"].update(told={"type": "boolean"}), s["required"].append("told")),
    ),
    "an output field is never null any more": ("progress", lambda s: s["properties"]["eta"]["anyOf"].pop()),
    "a new phase": ("progress", lambda s: s["$defs"]["Phase"]["enum"].append("archiving")),
    "other words in the docs": ("result", lambda s: s.update(description="Other words.")),
    "a new line of watch": (
        "watch-line",
        lambda s: s["oneOf"].append({"type": "object", "properties": {"event": {"const": "notified"}}}),
    ),
}  # fmt: skip


def changed(name: str, change: Change) -> dict[str, Any]:
    made = copy.deepcopy(published(name))
    change(made)
    return made


@pytest.mark.parametrize("what", HOSTILE)
def test_a_change_that_breaks_callers_is_told(what: str) -> None:
    name, change = HOSTILE[what]
    assert breaks(published(name), changed(name, change), PUBLISHED[name].side)


@pytest.mark.parametrize("what", HARMLESS)
def test_an_addition_breaks_nobody(what: str) -> None:
    name, change = HARMLESS[what]
    assert breaks(published(name), changed(name, change), PUBLISHED[name].side) == []


def test_a_published_file_that_would_break_its_callers_is_not_overwritten(tmp_path: Path) -> None:
    schema(write=tmp_path)
    path = tmp_path / VERSION / "result.json"
    before = changed(
        "result", lambda s: (s["properties"].update(cost={"type": "number"}), s["required"].append("cost"))
    )
    path.write_text(json.dumps(before))
    with pytest.raises(Stopped, match=r"result\.json: cost: is gone") as refused:
        schema(write=tmp_path)
    assert refused.value.code == 2
    assert json.loads(path.read_text()) == before
