"""Requests for the property tests: valid ones, and valid ones spoilt in every way that the rules know."""

import math
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from request_oracle import DOCUMENTED, DURATIONS, FRAMES, MAX_ITEMS, PLAIN_MODELS, RATIOS, VIDEO_MODELS

SIGNATURE = "c2lnbmVkLWJ5LXVz"
"""In the query string of many a generated URL: what no message may repeat."""

DROPPED = object()
"""As the value of an edit: take the field out."""


@dataclass(frozen=True)
class Case:
    """The arguments of one call of `check_request`."""

    request: Any
    extra: Any = None
    allow_unknown_model: bool = False


_hosts = st.sampled_from(
    ["cdn.example.com", "192.0.2.7", "[2001:db8::7]", "localhost", "xn--fsq.example", "u:p@h.example"]
)
_ports = st.sampled_from(["", "", ":80", ":8443", ":65535"])
_paths = st.sampled_from(["", "/", "/a.png", "/a%20b/图.webp", "/v/clip.mp4", "/x;y=1/(z)"])
_queries = st.sampled_from(["", "", f"?sig={SIGNATURE}", f"?a=1&X-Amz-Signature={SIGNATURE}#top"])
_web_urls = st.builds(
    "{}://{}{}{}{}".format, st.sampled_from(["https", "http", "HTTPS"]), _hosts, _ports, _paths, _queries
)
_ids = st.text("abcdefXYZ0123456789-_", min_size=1, max_size=12)
media_urls = st.one_of(
    _web_urls,
    st.builds("asset://{}".format, _ids),
    st.builds("{}://{}/{}".format, st.sampled_from(["s3", "gs", "az"]), _ids, _ids),
)
"""References that every media field accepts."""

BAD_URLS = (
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

_blanks = st.sampled_from([" ", "\t", "\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\xa0", "\u2028", "\u3000"])


@st.composite
def _broken_urls(draw: st.DrawFn) -> str:
    """A good URL with a blank or a control character in it, or at one of its ends."""
    url = draw(media_urls)
    cut = draw(st.integers(0, len(url)))
    return url[:cut] + draw(_blanks) + url[cut:]


bad_urls = st.one_of(st.sampled_from(BAD_URLS), _broken_urls(), st.text(max_size=8).map("ftp://".__add__))

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), media_urls, st.sampled_from(BAD_URLS)
)
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON, with the NaN and the infinities that Python's parser lets in."""

_prompts = st.sampled_from(["a cat", "一只猫", " x ", "\u200b", "first line\nsecond line"]) | st.text(
    min_size=1
).filter(str.strip)
_unknown_models = st.sampled_from(["sd3_manxue_8k", "SD2_manxue_720p", "sd2_manxue_720p ", "sd2_manxue_video"])
_undocumented = st.sampled_from(["seed", "generate_audio", "watermark", "x"])


def _reference_lists(
    name: str, items: st.SearchStrategy[Any] = media_urls, over: int = 0
) -> st.SearchStrategy[list[Any]]:
    """Lists for a reference field of every length up to its maximum, and `over` more."""
    lengths = st.integers(0, MAX_ITEMS[name] + over) | st.integers(MAX_ITEMS[name], MAX_ITEMS[name] + over)
    return lengths.flatmap(lambda length: st.lists(items, min_size=length, max_size=length))


def _under_one_or_both(legacy: str, name: str) -> st.SearchStrategy[dict[str, Any]]:
    """A frame under its name, its legacy name, or the same value under both."""
    named = st.sampled_from([(name,), (legacy,), (legacy, name)])
    return st.builds(dict[str, Any].fromkeys, named, media_urls)


_first = _under_one_or_both("image", "first_image")
_last = _under_one_or_both("lastFrameImage", "last_image")
_references = st.fixed_dictionaries({}, optional={name: _reference_lists(name) for name in MAX_ITEMS})
_media = st.one_of(
    st.just({}),
    _first,
    st.builds(dict.__or__, _first, _last),
    _references,
    st.sampled_from(list(MAX_ITEMS)).flatmap(lambda name: st.fixed_dictionaries({name: _reference_lists(name)})),
)
_scalar_fields = st.fixed_dictionaries(
    {"model": st.sampled_from(PLAIN_MODELS) | st.sampled_from(VIDEO_MODELS), "prompt": _prompts},
    optional={
        "duration": st.sampled_from(DURATIONS) | st.sampled_from(DURATIONS).map(float),
        "ratio": st.sampled_from(RATIOS),
    },
)
_nulls = st.dictionaries(
    st.sampled_from([n for n in DOCUMENTED if n not in ("model", "prompt")]), st.none(), max_size=2
)
valid_requests: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda nulls, scalars, media: nulls | scalars | media, _nulls, _scalar_fields, _media
)

_misspelt = [
    "promt",
    "Prompt",
    "prompt ",
    "lastImage",
    "reference_images",
    "referenceImage",
    "",
    "extra",
    "seed",
    "镜头",
]
_edits: tuple[st.SearchStrategy[dict[str, Any]], ...] = (
    st.dictionaries(st.sampled_from(["model", "prompt"]), st.just(DROPPED), min_size=1),
    st.dictionaries(
        st.sampled_from(DOCUMENTED), st.sampled_from([None, DROPPED, [], {}, "", True]), min_size=1, max_size=3
    ),
    st.dictionaries(st.sampled_from(DOCUMENTED), json_values, min_size=1, max_size=3),
    st.fixed_dictionaries({"model": _unknown_models | st.sampled_from(["", " \t"])}),
    st.fixed_dictionaries({"prompt": st.sampled_from(["", "  ", "\n\u3000"])}),
    st.fixed_dictionaries({"ratio": st.sampled_from(["16:10", "16/9", " 16:9", "", "16:09"])}),
    st.fixed_dictionaries(
        {
            "duration": st.sampled_from(
                [-5, 0, 3, 4, 15, 16, 3.0, 16.0, 5.5, -0.0, 1e300, 10**40, math.nan, math.inf, "5", True]
            )
        }
    ),
    st.dictionaries(st.sampled_from(list(FRAMES)), media_urls, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(list(FRAMES)), bad_urls, min_size=1, max_size=2),
    _last.map(lambda last: {"image": DROPPED, "first_image": DROPPED, **last}),
    _references,
    st.sampled_from(list(MAX_ITEMS)).flatmap(
        lambda name: st.fixed_dictionaries({name: _reference_lists(name, media_urls | bad_urls | json_values, over=2)})
    ),
    st.dictionaries(
        st.sampled_from(_misspelt) | st.text(max_size=6).map(lambda s: f"x{s}x"), json_values, min_size=1, max_size=2
    ),
)


@st.composite
def spoilt_requests(draw: st.DrawFn) -> dict[str, Any]:
    """A valid request after one to three edits. Some edits happen to leave it valid."""
    request = draw(valid_requests)
    for edit in draw(st.lists(st.one_of(_edits), min_size=1, max_size=3)):
        request |= edit
    return {name: value for name, value in request.items() if value is not DROPPED}


_good_extras = st.none() | st.dictionaries(_undocumented, json_values, max_size=2)
_bad_extras = json_values | st.dictionaries(st.sampled_from(DOCUMENTED) | _undocumented, json_values, max_size=3)
_mostly_known = st.sampled_from([False, False, True])

valid_cases = st.builds(Case, valid_requests, _good_extras, st.booleans()) | st.builds(
    lambda request, model, extra: Case({**request, "model": model}, extra, allow_unknown_model=True),
    valid_requests,
    _unknown_models,
    _good_extras,
)
spoilt_cases = st.one_of(
    st.builds(Case, spoilt_requests(), _good_extras, _mostly_known),
    st.builds(Case, spoilt_requests(), _good_extras, _mostly_known),
    st.builds(Case, valid_requests, _bad_extras, _mostly_known),
    st.builds(Case, json_values, _good_extras | _bad_extras, _mostly_known),
)
cases = st.booleans().flatmap(lambda valid: valid_cases if valid else spoilt_cases)
"""About as many valid as invalid."""
