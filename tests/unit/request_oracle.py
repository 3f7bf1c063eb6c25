"""What the provider's create-task rules say about a request: a second opinion, written as tables.

It imports nothing of the project. Every name, limit and mode is typed in again from the provider's description, so that
a slip in the project's own vocabulary shows as a disagreement.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PLAIN_MODELS = [f"sd2_manxue_{size}" for size in ("720p", "1080p", "2k", "4k", "fast_720p", "fast_1080p")]
VIDEO_MODELS = [f"sd2_manxue_video_{size}" for size in ("720p", "1080p", "2k", "4k", "fast_720p", "fast_1080p")]
RATIOS = ["16:9", "21:9", "4:3", "1:1", "3:4", "9:16"]
DURATIONS = range(4, 16)
DEFAULTS = {"duration": 5, "ratio": "16:9"}

FRAMES = {
    "image": "first_image",
    "first_image": "first_image",
    "lastFrameImage": "last_image",
    "last_image": "last_image",
}
"""Each frame field and the name under which it is sent."""
MAX_ITEMS = {"referenceImages": 9, "referenceVideos": 3, "referenceAudios": 3}
DOCUMENTED = ("model", "prompt", "duration", "ratio", *FRAMES, *MAX_ITEMS)

MODES = {
    frozenset[str](): "text",
    frozenset({"first_image"}): "first_frame",
    frozenset({"first_image", "last_image"}): "first_last_frame",
    frozenset({"referenceImages"}): "image_reference",
    frozenset({"referenceVideos"}): "video_reference",
    frozenset({"referenceAudios"}): "audio_reference",
    frozenset({"referenceImages", "referenceVideos"}): "multimodal_reference",
    frozenset({"referenceImages", "referenceAudios"}): "multimodal_reference",
    frozenset({"referenceVideos", "referenceAudios"}): "multimodal_reference",
    frozenset({"referenceImages", "referenceVideos", "referenceAudios"}): "multimodal_reference",
}
"""The mode by the set of media fields sent."""

RULES = frozenset(
    {("request", "type"), ("extra", "type"), ("extra.*", "conflict"), ("*", "unknown_field")}
    | {("model", rule) for rule in ("required", "type", "choice")}
    | {("prompt", rule) for rule in ("required", "type", "empty")}
    | {("duration", rule) for rule in ("type", "range")}
    | {("ratio", rule) for rule in ("type", "choice")}
    | {(name, rule) for name in FRAMES for rule in ("type", "url")}
    | {(legacy, "conflict") for legacy in ("image", "lastFrameImage")}
    | {(last, "requires") for last in ("last_image", "lastFrameImage")}
    | {(name, rule) for name in MAX_ITEMS for rule in ("type", "max_items", "conflict")}
    | {(f"{name}[]", rule) for name in MAX_ITEMS for rule in ("type", "url")}
)
"""Every way to break a rule, `(field, rule)`: `[]` stands for an index, `*` for a key of the caller's own."""

URL_FORMS = (
    re.compile(r"https?://([^/?#]*@)?(\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(:(?P<port>[0-9]*))?([/?#].*)?", re.I),
    re.compile(r"asset://.+"),
    re.compile(r"(s3|gs|az)://[^/]+/.+"),
)
BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Expected:
    """What `check_request` should say. `mode` and `body` are None where there are problems."""

    problems: frozenset[tuple[str, str]]
    warnings: frozenset[tuple[str, str]] = frozenset()
    mode: str | None = None
    body: dict[str, Any] | None = None


def expected(request: Any, extra: Any = None, allow_unknown_model: bool = False) -> Expected:
    """The verdict that the rules ask for."""
    if not isinstance(request, dict):
        return Expected(frozenset({("request", "type")}))
    problems = (
        _scalar_problems(request, allow_unknown_model)
        | _media_problems(request)
        | _combination_problems(request)
        | {(key, "unknown_field") for key in request if key not in DOCUMENTED}
        | _extra_problems(extra)
    )
    if problems:
        return Expected(frozenset(problems))
    body = _body(request)
    warned = request["model"] in PLAIN_MODELS and "referenceVideos" in body
    return Expected(
        problems=frozenset(),
        warnings=frozenset({("referenceVideos", "recommended")} if warned else ()),
        mode=MODES[frozenset(body) - {"model", "prompt", "duration", "ratio"}],
        body=body | (extra or {}),
    )


def rule_of(name: str, rule: str) -> tuple[str, str]:
    """The row of `RULES` that a reported problem belongs to."""
    if rule == "unknown_field":
        return "*", rule
    if name.startswith("extra."):
        return "extra.*", rule
    return re.sub(r"\[\d+\]$", "[]", name), rule


def is_media_url(text: str) -> bool:
    if BLANK_OR_CONTROL.search(text):
        return False
    matches = [match for form in URL_FORMS if (match := form.fullmatch(text))]
    return any(1 <= int(match.groupdict().get("port") or 443) <= 65535 for match in matches)


def _scalar_problems(request: dict[str, Any], allow_unknown_model: bool) -> set[tuple[str, str]]:
    known = [*PLAIN_MODELS, *VIDEO_MODELS]
    rows: list[tuple[str, bool, Callable[[Any], bool], str, Callable[[Any], bool]]] = [
        # field, required, has the type, the rule for its value, the value is allowed
        ("model", True, _is_text, "choice", lambda v: v in known or (allow_unknown_model and v.strip() != "")),
        ("prompt", True, _is_text, "empty", lambda v: v.strip() != ""),
        ("duration", False, _is_whole_number, "range", lambda v: v in DURATIONS),
        ("ratio", False, _is_text, "choice", lambda v: v in RATIOS),
    ]
    problems = set()
    for name, required, has_type, rule, is_allowed in rows:
        value = request.get(name)
        if value is None:
            problems |= {(name, "required")} if required else set()
        elif not has_type(value):
            problems.add((name, "type"))
        elif not is_allowed(value):
            problems.add((name, rule))
    return problems


def _media_problems(request: dict[str, Any]) -> set[tuple[str, str]]:
    problems = {(name, _url_rule(request[name])) for name in FRAMES if request.get(name) is not None}
    for name, most in MAX_ITEMS.items():
        items = request.get(name)
        if isinstance(items, list):
            problems |= {(name, "max_items")} if len(items) > most else set()
            problems |= {(f"{name}[{i}]", _url_rule(item)) for i, item in enumerate(items)}
        elif items is not None:
            problems.add((name, "type"))
    return {(name, rule) for name, rule in problems if rule}


def _combination_problems(request: dict[str, Any]) -> set[tuple[str, str]]:
    present = {name for name, value in request.items() if value is not None and value != []}
    problems = {
        (legacy, "conflict")
        for legacy, name in (("image", "first_image"), ("lastFrameImage", "last_image"))
        if {legacy, name} <= present and request[legacy] != request[name]
    }
    if present & {"last_image", "lastFrameImage"} and not present & {"image", "first_image"}:
        problems.add(("last_image" if "last_image" in present else "lastFrameImage", "requires"))
    if present & set(FRAMES):
        problems |= {(name, "conflict") for name in present & set(MAX_ITEMS)}
    return problems


def _extra_problems(extra: Any) -> set[tuple[str, str]]:
    if extra is None:
        return set()
    if not isinstance(extra, dict):
        return {("extra", "type")}
    return {(f"extra.{key}", "conflict") for key in extra if key in DOCUMENTED}


def _body(request: dict[str, Any]) -> dict[str, Any]:
    given = {FRAMES.get(name, name): value for name, value in request.items() if value is not None and value != []}
    body: dict[str, Any] = DEFAULTS | given
    return body | {"duration": int(body["duration"])}


def _url_rule(value: Any) -> str:
    """The rule that a media reference breaks, or nothing."""
    if not _is_text(value):
        return "type"
    return "" if is_media_url(value) else "url"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())
