"""The rules on a request: an example of each, then thousands of generated requests against a second opinion."""

import json
import math
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manxue.request import Problem, Verdict, check_request
from tests.unit import request_oracle as oracle
from tests.unit.request_strategies import NEVER_URLS, SIGNATURE, SPOILT, VALID, Case, bad_urls, json_values, media_urls

# The same examples in every run: a red test is red for everybody, and again.
REPEATABLE = settings(derandomize=True, database=None, deadline=None)

CAT = {"model": "sd2_manxue_720p", "prompt": "a cat"}
A, B = "https://cdn.example.com/a.png", "https://cdn.example.com/b.png"
SIGNED = f"https://cdn.example.com/a.png?X-Amz-Signature={SIGNATURE}"


def verdict_on(case: Case) -> Verdict:
    return check_request(case.request, extra=case.extra, allow_unknown_model=case.allow_unknown_model)


def shown(problem: Problem) -> str:
    """A problem as it travels: strict JSON in UTF-8."""
    told = {"field": problem.field, "rule": problem.rule, "given": problem.given, "hint": problem.hint}
    return json.dumps(told, allow_nan=False, ensure_ascii=False).encode().decode()


def pairs(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.field, problem.rule) for problem in problems]


@pytest.mark.parametrize(
    ("fields", "field", "rule", "hint_names"),
    [
        ({"model": None}, "model", "required", ["required"]),
        ({"model": 720}, "model", "type", ["string"]),
        ({"model": "sd2_manxue_8k"}, "model", "choice", ["sd2_manxue_4k"]),
        ({"model": "SD2_MANXUE_720P"}, "model", "choice", ["sd2_manxue_720p"]),
        ({"prompt": None}, "prompt", "required", ["required"]),
        ({"prompt": ["a cat"]}, "prompt", "type", ["string"]),
        ({"prompt": " \n"}, "prompt", "empty", ["empty"]),
        ({"duration": 3}, "duration", "range", ["4", "15"]),
        ({"duration": 16}, "duration", "range", ["4", "15"]),
        ({"duration": 5.5}, "duration", "type", ["whole"]),
        ({"duration": "5"}, "duration", "type", ["whole"]),
        ({"duration": True}, "duration", "type", ["whole"]),
        ({"ratio": "16:10"}, "ratio", "choice", ["16:9", "21:9", "4:3", "1:1", "3:4", "9:16"]),
        ({"ratio": 1.78}, "ratio", "type", ["string"]),
        ({"first_image": "photo.png"}, "first_image", "url", ["http", "asset://"]),
        ({"first_image": {"url": A}}, "first_image", "type", ["URL"]),
        ({"first_image": "https://cdn.example.com:99999/a.png"}, "first_image", "url", ["port"]),
        ({"first_image": "s3://bucket"}, "first_image", "url", ["bucket", "key"]),
        ({"image": "assetId://asset-1"}, "image", "url", ["asset://"]),
        ({"image": "ASSET://asset-1"}, "image", "url", ["asset://"]),
        ({"image": A, "first_image": B}, "image", "conflict", ["first_image"]),
        ({"image": A, "lastFrameImage": A, "last_image": B}, "lastFrameImage", "conflict", ["last_image"]),
        ({"last_image": A}, "last_image", "requires", ["first_image"]),
        ({"lastFrameImage": A}, "lastFrameImage", "requires", ["first_image"]),
        ({"first_image": A, "referenceAudios": ["asset://voice"]}, "referenceAudios", "conflict", ["first_image"]),
        ({"referenceImages": A}, "referenceImages", "type", ["list"]),
        ({"referenceImages": [A] * 10}, "referenceImages", "max_items", ["9"]),
        ({"referenceVideos": [A] * 4}, "referenceVideos", "max_items", ["3"]),
        ({"referenceAudios": [A] * 4}, "referenceAudios", "max_items", ["3"]),
        ({"referenceImages": [A, None]}, "referenceImages[1]", "type", ["URL"]),
        ({"referenceImages": [A, B, "file:///b.png"]}, "referenceImages[2]", "url", ["http"]),
        ({"promt": "a dog"}, "promt", "unknown_field", ["prompt", "extra"]),
        ({"reference_images": [A]}, "reference_images", "unknown_field", ["referenceImages", "extra"]),
        ({"Duration": 5}, "Duration", "unknown_field", ["duration", "extra"]),
        ({"seed": 7}, "seed", "unknown_field", ["extra"]),
    ],
)
def test_a_broken_rule_names_the_field_as_written_and_says_what_to_do(
    fields: dict[str, Any], field: str, rule: str, hint_names: list[str]
) -> None:
    verdict = check_request({**CAT, **fields})

    assert verdict.request is None
    assert pairs(verdict.problems) == [(field, rule)]
    for word in hint_names:
        assert word in verdict.problems[0].hint


@pytest.mark.parametrize(
    ("fields", "mode", "media"),
    [
        ({}, "text", {}),
        ({"first_image": A}, "first_frame", {"first_image": A}),
        ({"image": A}, "first_frame", {"first_image": A}),
        ({"image": A, "first_image": A}, "first_frame", {"first_image": A}),
        ({"image": A, "first_image": None, "referenceImages": []}, "first_frame", {"first_image": A}),
        ({"first_image": A, "last_image": B}, "first_last_frame", {"first_image": A, "last_image": B}),
        ({"image": A, "lastFrameImage": B}, "first_last_frame", {"first_image": A, "last_image": B}),
        ({"referenceImages": [A] * 9}, "image_reference", {"referenceImages": [A] * 9}),
        ({"referenceVideos": ["s3://b/k.mp4"]}, "video_reference", {"referenceVideos": ["s3://b/k.mp4"]}),
        ({"referenceAudios": ["asset://v:1"]}, "audio_reference", {"referenceAudios": ["asset://v:1"]}),
        (
            {"referenceImages": [A], "referenceAudios": ["gs://b/k"]},
            "multimodal_reference",
            {"referenceImages": [A], "referenceAudios": ["gs://b/k"]},
        ),
    ],
)
def test_a_good_request_is_sent_under_canonical_names_with_its_defaults(
    fields: dict[str, Any], mode: str, media: dict[str, Any]
) -> None:
    verdict = check_request({**CAT, **fields}, extra={"seed": 7})

    assert verdict.problems == []
    assert verdict.request is not None
    assert verdict.request.mode == mode
    assert verdict.request.body() == {**CAT, "duration": 5, "ratio": "16:9", **media, "seed": 7}


@pytest.mark.parametrize("model", [*oracle.PLAIN_MODELS, *oracle.VIDEO_MODELS])
def test_every_model_is_accepted_and_video_references_warn_where_the_model_is_not_made_for_them(model: str) -> None:
    plain = check_request({**CAT, "model": model})
    with_video = check_request({**CAT, "model": model, "referenceVideos": [A]})

    assert (plain.problems, plain.warnings) == ([], [])
    assert with_video.problems == []
    advice = [("referenceVideos", "recommended")] if "_video_" not in model else []
    assert pairs(with_video.warnings) == advice


def test_a_model_of_tomorrow_passes_only_where_the_caller_allows_it() -> None:
    tomorrow = {**CAT, "model": "sd3_manxue_8k"}

    assert pairs(check_request(tomorrow).problems) == [("model", "choice")]
    assert check_request(tomorrow, allow_unknown_model=True).problems == []
    assert pairs(check_request({**CAT, "model": " "}, allow_unknown_model=True).problems) == [("model", "choice")]


def test_a_whole_number_of_seconds_may_be_written_with_a_decimal_point() -> None:
    request = check_request({**CAT, "duration": 5.0}).request

    assert request is not None
    assert json.dumps(request.body()["duration"]) == "5"


@pytest.mark.parametrize("body", [None, True, 5, "a cat", [CAT], []])
def test_a_body_that_is_no_object_is_one_problem(body: Any) -> None:
    assert pairs(check_request(body, extra=[]).problems) == [("request", "type")]


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        (None, []),
        ({"seed": 7, "watermark": False}, []),
        ([], [("extra", "type")]),
        ("seed=7", [("extra", "type")]),
        ({"prompt": "a dog", "image": A}, [("extra.prompt", "conflict"), ("extra.image", "conflict")]),
    ],
)
def test_extra_carries_undocumented_fields_and_no_documented_one(extra: Any, found: list[tuple[str, str]]) -> None:
    assert pairs(check_request(CAT, extra=extra).problems) == found


@pytest.mark.parametrize("url", NEVER_URLS)
def test_a_reference_that_the_provider_cannot_fetch_is_refused_wherever_it_stands(url: str) -> None:
    alone = check_request({**CAT, "first_image": url, "last_image": A})
    in_a_list = check_request({**CAT, "referenceAudios": [A, url]})

    assert pairs(alone.problems) == [("first_image", "url")]
    assert pairs(in_a_list.problems) == [("referenceAudios[1]", "url")]


def test_all_problems_come_at_once() -> None:
    frames_and_references = {"lastFrameImage": "b.png", "referenceImages": [A] * 9 + ["c.png"], "referenceVideos": A}
    verdict = check_request({"duration": 99, "ratio": "2:1", **frames_and_references, "sed": 7}, extra={"model": "x"})

    assert set(pairs(verdict.problems)) == {
        ("model", "required"),
        ("prompt", "required"),
        ("duration", "range"),
        ("ratio", "choice"),
        ("lastFrameImage", "url"),
        ("lastFrameImage", "requires"),
        ("referenceImages", "max_items"),
        ("referenceImages[9]", "url"),
        ("referenceImages", "conflict"),
        ("referenceVideos", "type"),
        ("referenceVideos", "conflict"),
        ("sed", "unknown_field"),
        ("extra.model", "conflict"),
    }


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://cdn.example.com/a.png?sig={SIGNATURE}",
        f"/images/a.png?sig={SIGNATURE}",
        f"https://cdn.example.com:0x/a.png?sig={SIGNATURE}",
        f"https://cdn.example.com/a b.png?sig={SIGNATURE}",
        f"https://cdn.example.com/a.png?expires=1 &sig={SIGNATURE}",
        f"https://cdn.example.com/a.png?expires=1\n&sig={SIGNATURE}",
        f'https://cdn.example.com/it\'s "a".png?sig={SIGNATURE}',
        f"https://cdn.example.com/a.png?name='a b'&sig={SIGNATURE}",
        f"https://cdn.example.com/a b.png#part?sig={SIGNATURE}",
        f"assetId://asset-1?sig={SIGNATURE}",
        [SIGNED],
        {"url": SIGNED},
        {SIGNED: f"see {SIGNED} \n or cdn.example.com/a b.png?sig={SIGNATURE}"},
    ],
)
@pytest.mark.parametrize("field", ["first_image", "referenceImages", "ratio", "duration", "model", "prompt", "photo"])
def test_a_signature_is_never_repeated_in_a_problem(field: str, url: Any) -> None:
    fields = {field: [url] if field == "referenceImages" else url}
    for problem in check_request({**CAT, "prompt": "", **fields}, extra=[url]).problems:
        assert SIGNATURE not in shown(problem)


@pytest.mark.parametrize(
    "long",
    [
        "x" * 5_000,
        "https://h:" + "x" * 5_000,
        f"https://[{'x' * 5_000}]/",
        "x" * 5_000 + "://h/a.png",
        ["x" * 5_000],
        {"url": "x" * 5_000},
        10**4000,
    ],
)
@pytest.mark.parametrize("field", ["model", "duration", "ratio", "first_image", "referenceImages", "x" * 5_000])
def test_a_problem_stays_short_whatever_was_given(field: str, long: Any) -> None:
    problems = check_request({**CAT, field: long}).problems

    assert problems
    assert max(len(shown(problem)) for problem in problems) < 1_000


def test_a_whole_file_pasted_as_a_data_url_is_refused_at_once() -> None:
    began = time.monotonic()
    pasted = "data:image/png;base64," + "iVBORw0KGgo" * 10_000

    assert pairs(check_request({**CAT, "first_image": pasted}).problems) == [("first_image", "url")]
    assert time.monotonic() - began < 2, "seconds; linear work takes milliseconds"


def test_a_short_value_is_shown_as_it_was_given() -> None:
    given = {"duration": 3, "ratio": "16:9 ", "first_image": "photo.png"}
    verdict = check_request({**CAT, **given})

    assert {problem.field: problem.given for problem in verdict.problems} == given


VALID_IN_ALL = SPOILT_IN_ALL = 1_100
SEEN_AT_LEAST = 3


def test_thousands_of_generated_requests_get_the_verdict_of_the_oracle() -> None:
    """In every mode and with every way to break a rule, which is counted here and not left to hope."""
    seen: Counter[object] = Counter()

    def agrees(case: Case) -> None:
        expected = oracle.expected(case.request, case.extra, case.allow_unknown_model)
        seen.update({expected.mode, *(oracle.rule_of(*pair) for pair in expected.problems), *expected.warnings})
        given = repr(case)

        verdict = verdict_on(case)

        assert repr(case) == given, "the caller's own objects were changed"
        assert sorted(pairs(verdict.problems)) == sorted(expected.problems)
        assert (verdict.request is None) == bool(expected.problems)
        if verdict.request is not None:
            assert verdict.request.mode == expected.mode
            assert json.dumps(verdict.request.body(), sort_keys=True) == json.dumps(expected.body, sort_keys=True)
            assert set(pairs(verdict.warnings)) == expected.warnings

    for kinds, in_all in ((VALID, VALID_IN_ALL), (SPOILT, SPOILT_IN_ALL)):
        for cases in kinds.values():
            settings(REPEATABLE, max_examples=in_all // len(kinds))(given(cases)(agrees))()

    invalid, valid = seen[None], sum(seen[mode] for mode in set(oracle.MODES.values()))
    assert invalid + valid >= 2_000
    assert min(invalid, valid) >= 800
    wanted = {*oracle.MODES.values(), *oracle.RULES, ("referenceVideos", "recommended")}
    assert {one: seen[one] for one in wanted if seen[one] < SEEN_AT_LEAST} == {}


@settings(REPEATABLE, max_examples=300)
@given(st.one_of(*SPOILT.values()))
def test_every_problem_has_a_hint_and_travels_as_short_json_without_signatures(case: Case) -> None:
    for problem in verdict_on(case).problems:
        assert problem.hint.strip()
        assert len(shown(problem)) < 1_000
        assert SIGNATURE not in shown(problem)


@settings(REPEATABLE, max_examples=200)
@given(st.one_of(*VALID.values()))
def test_what_is_sent_is_itself_a_valid_request_for_the_same_video(case: Case) -> None:
    request = verdict_on(case).request
    assert request is not None
    sent = {name: value for name, value in request.body().items() if name in oracle.DOCUMENTED}

    again = check_request(sent, extra=request.extra, allow_unknown_model=case.allow_unknown_model)

    assert again.request is not None
    assert (again.request.mode, repr(again.request.body())) == (request.mode, repr(request.body()))


@settings(REPEATABLE, max_examples=300)
@given(media_urls | bad_urls | st.text("hp3:/@?#", max_size=12).map("https://".__add__))
def test_a_media_field_accepts_exactly_the_documented_forms_of_a_url(url: str) -> None:
    found = [] if oracle.is_media_url(url) else [("image", "url")]

    assert pairs(check_request({**CAT, "image": url}).problems) == found


ANY_TEXT = st.text(st.characters(), max_size=20)
ANY_JSON = (
    json_values | ANY_TEXT | st.dictionaries(st.sampled_from(oracle.DOCUMENTED) | ANY_TEXT, json_values | ANY_TEXT)
)


@settings(REPEATABLE, max_examples=200)
@given(ANY_JSON, ANY_JSON, st.booleans())
def test_any_json_at_all_gets_a_verdict(body: Any, extra: Any, allow_unknown_model: bool) -> None:
    """Lone surrogates, NaN, control characters: whatever a JSON parser lets in."""
    verdict = check_request(body, extra=extra, allow_unknown_model=allow_unknown_model)

    assert (verdict.request is None) == bool(verdict.problems)
    for problem in verdict.problems:
        shown(problem)


@pytest.mark.parametrize(
    ("fields", "extra"),
    [
        ({"model": "half \ud83d"}, None),
        ({"prompt": "half \ud83d"}, None),
        ({"image": "https://cdn.example.com/\ud83d.png"}, None),
        ({"referenceVideos": ["asset://\ud83d"]}, None),
        ({}, {"seed": math.nan}),
        ({}, {"style": {"weights": [1.0, -math.inf]}}),
        ({}, {"style": "half \ud83d"}),
        ({}, {"half \ud83d": 1}),
    ],
)
def test_what_a_json_body_in_utf_8_cannot_carry_is_refused_here_and_not_by_the_http_client(
    fields: dict[str, Any], extra: Any
) -> None:
    verdict = check_request({**CAT, **fields}, extra=extra, allow_unknown_model=True)

    assert verdict.request is None
    for problem in verdict.problems:
        shown(problem)


@pytest.mark.parametrize("field", ["model", "prompt", "duration", "first_image", "referenceImages", "unheard_of"])
def test_deeply_nested_json_gets_a_verdict(field: str) -> None:
    nested = json.loads("[" * 500 + "]" * 500)

    assert check_request({**CAT, field: nested}, extra=nested).request is None
