"""What the command line makes of options and request files, before anything is started."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from manxue.failure import FailureType
from starter.inputs import InvalidInput, check, compose, seconds
from starter.request_file import Document, RequestFileUnreadable, read_document
from workflows.next_steps import NEXT_STEPS, next_step

PROMPT = {"prompt": "a cat"}
NO_POLL: dict[str, float] = {}


def composed(
    options: dict[str, Any], document: Document | None = None, poll: dict[str, float] = NO_POLL
) -> dict[str, Any]:
    return compose(options, document, poll)


def problems_of(fields: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        check(fields)
    return [(problem.field, problem.rule) for problem in refused.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "request.yaml"


def test_a_prompt_alone_is_a_request_for_the_default_model() -> None:
    assert composed(PROMPT) == {"request": {"model": "sd2_manxue_720p", "prompt": "a cat"}}


def test_who_is_notified_can_be_named_by_options() -> None:
    urls = ("https://a.example/hook", "https://b.example/hook")
    assert composed({**PROMPT, "notify": urls})["notify"] == [{"url": url} for url in urls]


@pytest.mark.parametrize(
    ("notify", "problem"),
    [
        ("https://a.example", ("notify", "type")),
        ([{"url": "https://a.example/"}, {"url": "ftp://a.example/"}], ("notify[1].url", "url")),
        ([{"url": "https://user:word@a.example/"}], ("notify[0].url", "url")),
        ([{"url": "s3://bucket/key"}], ("notify[0].url", "url")),
        ([{"url": "https://a.example/" + "x" * 2000}], ("notify[0].url", "url")),
        ([{"url": 5}], ("notify[0].url", "type")),
        ([{}], ("notify[0].url", "required")),
        ([{"url": "https://a.example/", "event": ["failed"]}], ("notify[0].event", "unknown_field")),
        ([{"url": "https://a.example/", "events": ["failed", "done"]}], ("notify[0].events[1]", "choice")),
        ([{"url": "https://a.example/", "events": []}], ("notify[0].events", "empty")),
        ([{"url": "https://a.example/?one"}] * 2, ("notify", "conflict")),
        ([{"url": f"https://a.example/{n}"} for n in range(11)], ("notify", "max_items")),
    ],
)
def test_what_cannot_be_notified_is_named(notify: Any, problem: tuple[str, str]) -> None:
    assert problems_of(composed(PROMPT) | {"notify": notify, "priority": 9}) == [problem, ("priority", "range")]


def test_the_secrets_of_a_receiver_are_not_repeated() -> None:
    with pytest.raises(InvalidInput) as refused:
        check(composed(PROMPT) | {"notify": [{"url": "https://me:secret@a.example/?token=secret"}] * 2})
    assert "secret" not in str(refused.value)


def test_options_have_the_names_of_the_fields_they_fill() -> None:
    fields = composed(
        {
            **PROMPT,
            "model": "sd2_manxue_4k",
            "duration": 9,
            "ratio": "1:1",
            "reference_image": ["https://a.example/1.png", "https://a.example/2.png"],
            "reference_audio": (),
            "name": "cat",
            "on_unknown_submission": "fail",
            "task_id": "t1",
            "tenant": "red",
            "priority": 1,
            "extra": ["seed=42", "watermark=false", "style=oil paint"],
            "poll_interval": "5s",
        }
    )
    assert fields == {
        "request": {
            "model": "sd2_manxue_4k",
            "prompt": "a cat",
            "duration": 9,
            "ratio": "1:1",
            "referenceImages": ["https://a.example/1.png", "https://a.example/2.png"],
        },
        "name": "cat",
        "on_unknown_submission": "fail",
        "task_id": "t1",
        "tenant": "red",
        "priority": 1,
        "extra": {"seed": 42, "watermark": False, "style": "oil paint"},
        "poll": {"interval": 5.0},
    }
    check(fields)


def test_every_problem_of_request_and_run_is_told_at_once_by_its_name() -> None:
    fields = composed({"prompt": " ", "duration": 99, "name": "../x", "priority": 9, "deadline": "soon"})
    assert sorted(problems_of(fields)) == [
        ("deadline", "type"),
        ("duration", "range"),
        ("name", "format"),
        ("priority", "range"),
        ("prompt", "empty"),
    ]


def test_what_no_json_can_hold_is_told_by_its_field() -> None:
    fields = composed({"prompt": "caf\udce9", "extra": ["scale=NaN", "seed=1"], "reference_image": ["a", "b\udce9"]})
    assert problems_of({**fields, "template": {"lists": {"x": [1e999]}}}) == [
        ("prompt", "type"),
        ("referenceImages[1]", "type"),
        ("extra.scale", "type"),
        ("template.lists.x[0]", "type"),
    ]


def test_an_extra_field_without_a_value_is_explained() -> None:
    with pytest.raises(InvalidInput, match="key=value"):
        composed({**PROMPT, "extra": ["seed"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("45s", 45),
        ("45", 45),
        (" 45 ", 45),
    ],
)
def test_durations_are_read_the_way_people_write_them(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["inf", "nan", "1e400"])
def test_a_duration_that_is_no_number_is_named(text: str) -> None:
    assert problems_of(composed({**PROMPT, "deadline": text})) == [("deadline", "type")]


def test_iso_8601_durations_are_left_to_the_workflow_input() -> None:
    given, _ = check(composed({**PROMPT, "deadline": "PT2H"}))
    assert given.deadline == timedelta(hours=2)


def test_a_local_output_becomes_an_absolute_file_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert composed({**PROMPT, "output": "my videos"})["output"] == f"{tmp_path.as_uri()}/my%20videos/"
    assert composed({**PROMPT, "output": "s3://bucket/videos/"})["output"] == "s3://bucket/videos/"


def test_an_emulators_rhythm_is_used_unless_somebody_asked_for_another(file: Path) -> None:
    fast = {"first": 1.0, "interval": 2.0}
    assert composed(PROMPT, poll=fast)["poll"] == fast
    assert composed({**PROMPT, "poll_first": "9"}, poll=fast)["poll"] == {"first": 9.0}
    assert composed({}, Document({"request": {}, "poll": {"first": 3}}), fast)["poll"] == {"first": 3}


def test_a_bare_create_task_body_and_a_whole_input_are_both_request_files(file: Path) -> None:
    body = {"model": "sd2_manxue_720p", "prompt": "a cat"}
    file.write_text(json.dumps(body))
    assert read_document(str(file)).fields == {"request": body}
    file.write_text(json.dumps({"request": body, "tenant": "red"}))
    assert read_document(str(file)).fields == {"request": body, "tenant": "red"}


def test_options_go_on_top_of_a_request_file() -> None:
    document = Document(
        {"request": {"model": "sd2_manxue_4k", "prompt": "a dog"}, "tenant": "red", "poll": {"interval": 9}}
    )
    fields = composed({"prompt": "a cat", "tenant": "blue", "poll_first": "1"}, document)
    assert fields == {
        "request": {"model": "sd2_manxue_4k", "prompt": "a cat"},
        "tenant": "blue",
        "poll": {"interval": 9, "first": 1.0},
    }


def test_a_file_without_a_model_is_not_given_one(file: Path) -> None:
    assert problems_of(composed({}, Document({"request": {"prompt": "a cat"}}))) == [("model", "required")]


def test_yaml_means_what_it_says(file: Path) -> None:
    """YAML 1.1 would make a number of 16:9, false of `no`, and a date of 2026-01-31."""
    file.write_text(
        "prompt: no\nratio: 16:9\nduration: 5\nname: 2026-01-31\nstrict: true\nlast_image: null\nscale: 1.5\n"
    )
    assert read_document(str(file)).fields["request"] == {
        "prompt": "no",
        "ratio": "16:9",
        "duration": 5,
        "name": "2026-01-31",
        "strict": True,
        "last_image": None,
        "scale": 1.5,
    }


def test_standard_input_is_a_request_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTF-8 whatever the locale says: a prompt that is read as something else would be paid for."""
    content = io.BytesIO('\ufeff{"prompt": "a café"}'.encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content, encoding="latin-1"))
    assert read_document("-").fields == {"request": {"prompt": "a café"}}


@pytest.mark.parametrize(
    "text", ['{"prompt": "a", "prompt": "b"}', '{"request": {"prompt": "a", "prompt": "b"}}', "prompt: a\nprompt: b\n"]
)
def test_a_field_that_is_given_twice_is_refused_since_only_one_would_be_paid(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(RequestFileUnreadable, match="the field 'prompt' is given twice"):
        read_document(str(file))


def test_a_home_that_nobody_has_is_named(file: Path) -> None:
    with pytest.raises(RequestFileUnreadable, match=r"^~nobody-here/a\.yaml cannot be read: "):
        read_document("~nobody-here/a.yaml")
    with pytest.raises(InvalidInput, match=r"output: .*~nobody-here"):
        check(composed({**PROMPT, "output": "~nobody-here/videos"}))


@pytest.mark.parametrize(
    "text", ["{a", "a: [", "a: !!python/name:os.system", "a: &a [*a]", "a: !!timestamp 2026-01-31"]
)
def test_an_unreadable_file_is_one_sentence(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(RequestFileUnreadable) as refused:
        read_document(str(file))
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("content", [[], 5, "text", None, {"request": 5}])
def test_a_file_with_any_other_json_is_a_list_of_problems(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content))
    assert problems_of(composed({}, read_document(str(file)))) == [("request", "type")]


def test_every_failure_type_has_a_next_step() -> None:
    assert set(FailureType) <= set(NEXT_STEPS)


def test_a_paid_task_is_offered_again_instead_of_a_second_payment() -> None:
    assert "--task-id t1" in next_step(FailureType.DOWNLOAD_FAILED, "t1")
    assert "--task-id" not in next_step(FailureType.RENDER_FAILED, "t1")
