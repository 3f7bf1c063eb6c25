"""Requests for the property tests: valid ones, and valid ones spoilt in every way that the rules know.

Few draws per request, because a draw is what costs time: parts come from lists where a list will do.
"""

import math
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any

from hypothesis import strategies as st

from tests.unit.request_oracle import DOCUMENTED, DURATIONS, FRAMES, MAX_ITEMS, PLAIN_MODELS, RATIOS, VIDEO_MODELS

SIGNATURE = "c2lnbmVkLWJ5LXVz"
"""In the query string of many a generated URL: what no message may repeat."""


@dataclass(frozen=True)
class Case:
    """The arguments of one call of `check_request`."""

    request: Any
    extra: Any = None
    allow_unknown_model: bool = False


Fields = dict[str, Any]
_ABSENT = object()
"""As the value of a field: leave it out, or take it out."""


def _one_of_the_fields(names: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    return st.builds(lambda name, value: {name: value}, st.sampled_from(list(names)), values)


_web_urls = map(
    "".join,
    product(
        ("https://", "http://", "HTTPS://"),
        ("cdn.example.com", "192.0.2.7", "[2001:db8::7]", "localhost", "xn--fsq.example", "u:p@h.example"),
        ("", ":80", ":65535"),
        ("", "/", "/a%20b/图.webp", "/v/clip.mp4", "/x;y=1/(z)"),
        ("", f"?sig={SIGNATURE}", f"?a=1&X-Amz-Signature={SIGNATURE}#top"),
    ),
)
_stored = ("asset://asset-20260101-x7_Q", "asset://1", "s3://bucket/in/a+b.png", "gs://b/k", "az://c/a/b/c.mp4")
_good_urls = [*_web_urls, *_stored * 100]


def _good_url(number: int) -> str:
    return _good_urls[number]


media_urls = st.integers(0, len(_good_urls) - 1).map(_good_url)
"""References that every media field accepts."""

NEVER_URLS = (
    "",
    " ",
    "a.png",
    f"/images/a.png?sig={SIGNATURE}",
    f"//cdn.example.com/a.png?sig={SIGNATURE}",
    f"cdn.example.com/a.png?sig={SIGNATURE}",
    "https://",
    "https:///a.png",
    f"https://?sig={SIGNATURE}",
    "https://:443/a.png",
    "http:/cdn.example.com/a.png",
    "https://cdn.example.com:0/a.png",
    "https://cdn.example.com:65536/a.png",
    "https://cdn.example.com:https/a.png",
    "https://cdn.example.com:-1/a.png",
    "https://[2001:db8::7/a.png",
    f"ftp://cdn.example.com/a.png?sig={SIGNATURE}",
    "file:///etc/hostname",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "assetId://asset-1",
    "asset://",
    "asset:asset-1",
    "s3://",
    "s3://bucket",
    "gs://bucket/",
    "az:///key",
)
"""References of other forms than the documented ones."""
_never_urls = st.sampled_from(NEVER_URLS)
_blanks = st.sampled_from([" ", "\t", "\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\x9b", "\xa0", "\u2028", "\u3000"])
_broken_urls = st.builds(lambda url, blank, cut: url[:cut] + blank + url[cut:], media_urls, _blanks, st.integers(0, 40))
bad_urls = _never_urls | _broken_urls
"""References that no media field accepts: other forms, and good ones with a blank or control character put in."""

_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | media_urls | _never_urls
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON, with the NaN and the infinities that Python's parser lets in."""
_junk = _scalars | st.sampled_from([[], {}, [None], {"url": f"https://h/a?sig={SIGNATURE}"}, [["a"], {"b": 1.5}], True])


def _lists(items: st.SearchStrategy[Any], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    """Lists of `least` to `most` items, at most three of them different."""
    some = st.lists(items, min_size=1, max_size=3)
    return st.builds(lambda different, length: list(islice(cycle(different), length)), some, st.integers(least, most))


_good_lists = {name: _lists(media_urls, 0, most) for name, most in MAX_ITEMS.items()}
_long_lists = {name: _lists(media_urls, most + 1, most + 3) for name, most in MAX_ITEMS.items()}
_bad_lists = {name: _lists(media_urls | bad_urls | _junk, 1, most + 2) for name, most in MAX_ITEMS.items()}


def _frame(legacy: str, name: str) -> st.SearchStrategy[Fields]:
    """One frame under its name, its legacy name or the same value under both, with or without nulls beside it."""
    forms = [(name, _ABSENT), (name, None), (_ABSENT, name), (None, name), (name, name)]
    return st.builds(
        lambda form, url: {key: url if as_ == name else as_ for key, as_ in zip((name, legacy), form, strict=True)},
        st.sampled_from(forms),
        media_urls,
    )


_first, _last = _frame("image", "first_image"), _frame("lastFrameImage", "last_image")
_references = st.fixed_dictionaries(
    {name: st.sampled_from([None, _ABSENT]) | good for name, good in _good_lists.items()}
)
_media = {
    "no media": st.dictionaries(st.sampled_from(list(FRAMES)), st.none(), max_size=2),
    "a first frame": _first,
    "a first and a last frame": st.builds(dict.__or__, _first, _last),
    "references of any kind": _references,
    **{f"{name} alone": st.fixed_dictionaries({name: good}) for name, good in _good_lists.items()},
}
_prompts = st.sampled_from(["a cat", "一只猫", " x ", "\u200b", "two\nlines"]) | st.text(min_size=1).filter(str.strip)
_unknown_models = st.sampled_from(["sd3_manxue_8k", "SD2_manxue_720p", "sd2_manxue_720p ", "sd2_manxue_video"])
_scalar_fields = st.fixed_dictionaries(
    {
        "model": st.sampled_from([*PLAIN_MODELS, *VIDEO_MODELS]),
        "prompt": _prompts,
        "duration": st.sampled_from([_ABSENT, None, *DURATIONS, *map(float, DURATIONS)]),
        "ratio": st.sampled_from([_ABSENT, None, *RATIOS]),
    }
)


def _with(*parts: Fields) -> Fields:
    """The parts laid over each other, the later one winning, without what is absent."""
    merged = {name: value for part in parts for name, value in part.items()}
    return {name: value for name, value in merged.items() if value is not _ABSENT}


_misspelt = ["promt", "Prompt", "prompt ", "lastImage", "reference_images", "referenceImage"]
_undocumented = [*_misspelt, "seed", "extra", "", "镜头"]
_durations = [-5, 0, 3, 4, 15, 16, 3.0, 16.0, 5.5, -0.0, 1e300, 10**40, math.nan, math.inf, "5", True]
_wrong_ratios = ["16:10", "9:21", "2:3", "16/9", " 16:9", "16:09", ""]
_wrong_types = st.sampled_from([True, False, 5.5, {}, {"url": "https://h/a"}])
_edits = {
    "a required field missing": _one_of_the_fields(["model", "prompt"], st.sampled_from([_ABSENT, None])),
    "an unknown model": _one_of_the_fields(["model"], _unknown_models | st.sampled_from(["", " \t"])),
    "a blank prompt": _one_of_the_fields(["prompt"], st.sampled_from(["", "  ", "\n\u3000"])),
    "a duration at a limit or beyond": _one_of_the_fields(["duration"], st.sampled_from(_durations)),
    "a wrong ratio": _one_of_the_fields(["ratio"], st.sampled_from(_wrong_ratios)),
    "a scalar of a wrong type": _one_of_the_fields(["model", "prompt", "duration", "ratio"], _wrong_types),
    "a frame of a wrong type": _one_of_the_fields(FRAMES, _wrong_types),
    "a frame that is no URL": _one_of_the_fields(FRAMES, bad_urls),
    "another frame": _one_of_the_fields(FRAMES, media_urls),
    "two first frames": st.fixed_dictionaries({"image": media_urls, "first_image": media_urls}),
    "two last frames": st.fixed_dictionaries({"lastFrameImage": media_urls, "last_image": media_urls}),
    "a last frame alone": _last.map(lambda last: {"image": None, "first_image": _ABSENT, **last}),
    "frames and references": st.builds(dict.__or__, _first, _references),
    "references that are no list": _one_of_the_fields(MAX_ITEMS, _wrong_types | media_urls),
    **{f"bad {name}": st.fixed_dictionaries({name: bad}) for name, bad in _bad_lists.items()},
    **{f"too many {name}": st.fixed_dictionaries({name: long}) for name, long in _long_lists.items()},
    "an undocumented field": _one_of_the_fields(_undocumented, _junk),
    "fields of any name": st.dictionaries(st.text(max_size=6).map("x".__add__), _junk, min_size=1, max_size=2),
    "any JSON in a field": _one_of_the_fields(DOCUMENTED, st.sampled_from([None, _ABSENT, [], ""]) | _junk),
}
_other_edits = st.lists(st.one_of(*_edits.values()), max_size=3)

_extra_values = st.none() | st.integers() | st.text(max_size=8) | st.sampled_from([True, 0.5, [], {"a": [1, None]}])
_good_extras = st.none() | st.dictionaries(st.sampled_from(["seed", "watermark"]), _extra_values, max_size=2)
_clashing_extras = st.dictionaries(st.sampled_from([*DOCUMENTED, "seed"]), _extra_values, min_size=1, max_size=3)
_rarely = st.sampled_from([False, False, True])

_valid_requests = {kind: st.builds(_with, _scalar_fields, media) for kind, media in _media.items()}
_any_valid_request = st.one_of(*_valid_requests.values())


def _spoilt_by(edit: st.SearchStrategy[Fields]) -> st.SearchStrategy[Case]:
    """A valid request after up to three other edits, and then this one."""
    requests = st.builds(lambda good, others, last: _with(good, *others, last), _any_valid_request, _other_edits, edit)
    return st.builds(Case, requests, _good_extras, _rarely)


VALID = {
    **{kind: st.builds(Case, requests, _good_extras, _rarely) for kind, requests in _valid_requests.items()},
    "a model of tomorrow": st.builds(
        lambda request, model: Case({**request, "model": model}, None, allow_unknown_model=True),
        _any_valid_request,
        _unknown_models,
    ),
}
"""Valid cases by kind. Kinds are drawn from one after the other, so that chance cannot starve any."""

SPOILT = {
    **{kind: _spoilt_by(edit) for kind, edit in _edits.items()},
    "documented fields in extra": st.builds(Case, _any_valid_request, _clashing_extras),
    "any JSON as extra": st.builds(Case, _any_valid_request, _junk),
    "any JSON as the request": st.builds(Case, json_values, _good_extras | _junk),
}
"""Cases by what was done to them. Mostly invalid: some edits happen to leave a request valid, or mend it."""
