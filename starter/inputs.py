"""Options and files of the command line, read as the input of `GenerateVideo` and checked before anything starts."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from manxue.checked_request import CheckedRequest
from manxue.problem import Problem, problem
from starter.request_file import Document
from workflows.contract import GenerateVideoInput
from workflows.run_input import judge

REQUEST_OPTIONS = {
    "model": "model",
    "prompt": "prompt",
    "duration": "duration",
    "ratio": "ratio",
    "first_image": "first_image",
    "last_image": "last_image",
    "reference_image": "referenceImages",
    "reference_video": "referenceVideos",
    "reference_audio": "referenceAudios",
}
"""Option -> field of the provider's create-task body."""

INPUT_OPTIONS = (
    "output",
    "name",
    "asset_review",
    "strict_media",
    "preview",
    "on_unknown_submission",
    "deadline",
    "task_id",
    "allow_unknown_model",
    "tenant",
    "priority",
)
"""Options that are fields of `GenerateVideoInput`, of the same name."""

POLL_OPTIONS = {"poll_first": "first", "poll_interval": "interval", "poll_max_interval": "max_interval"}

DEFAULT_MODEL = "sd2_manxue_720p"

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


class InvalidInput(Exception):
    """The input breaks rules, so nothing was started. `problems` is all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def compose(options: Mapping[str, Any], document: Document | None, poll: Mapping[str, float]) -> dict[str, Any]:
    """The workflow's input as plain JSON, from command line options laid over a request file.

    `options` maps option names to values, None and empty lists standing for what was not given. `poll` is used where
    neither options nor file say how often to ask. Raises InvalidInput for options that cannot be read.
    """
    given: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value not in ([], ())
    }
    fields: dict[str, Any] = dict(document.fields) if document else {"request": {"model": DEFAULT_MODEL}}
    _lay_over(fields, "request", {field: given[option] for option, field in REQUEST_OPTIONS.items() if option in given})
    fields |= {option: given[option] for option in INPUT_OPTIONS if option in given}
    if "notify" in given:
        fields["notify"] = [{"url": url} for url in given["notify"]]
    if "deadline" in given:
        fields["deadline"] = seconds(given["deadline"])
    if isinstance(fields.get("output"), str):
        fields["output"] = output_url(fields["output"])
    _lay_over(fields, "extra", _pairs(given.get("extra", [])))
    _lay_over(
        fields, "poll", {field: seconds(given[option]) for option, field in POLL_OPTIONS.items() if option in given}
    )
    if poll:
        fields.setdefault("poll", dict(poll))
    return fields


def check(fields: Mapping[str, Any], known: Sequence[Problem] = ()) -> tuple[GenerateVideoInput, CheckedRequest]:
    """The input and its request, when both keep every rule that is known offline.

    Raises InvalidInput with all problems, those already `known` first; the code that finds them is the worker's.
    """
    with suppress(RecursionError):  # which `judge` tells better
        if odd := [*_not_json(fields.get("request"), ""), *_not_json({**fields, "request": None}, "")]:
            raise InvalidInput([*known, *odd])
    run_input, found, request = judge(fields)
    problems = [*known, *found]
    if problems or run_input.given is None or request is None:
        raise InvalidInput(problems)
    return run_input.given, request


def _not_json(value: Any, field: str) -> Iterator[Problem]:
    """What Python reads, of files and of arguments, though no JSON can hold it, by the names of its fields."""
    match value:
        case dict():
            for name, given in value.items():
                yield from _not_json(given, f"{field}.{name}".removeprefix("."))
        case list():
            for i, given in enumerate(value):
                yield from _not_json(given, f"{field}[{i}]")
        case float() if not math.isfinite(value):
            yield problem(field, "type", value, "must be a number: neither NaN nor an infinity")
        case str() if value.encode(errors="ignore").decode() != value:
            yield problem(field, "type", value, "is no valid Unicode text: write it as UTF-8")


def seconds(text: str) -> float | str:
    """`90m`, `1h30m`, `2d` or a number as seconds; any other text as it is, to be read as ISO 8601."""
    text = text.strip()
    try:
        if _DURATION.fullmatch(text):
            value = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([dhms])", text))
        else:
            value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text  # JSON has neither infinity nor `nan`


def output_url(text: str) -> str:
    """A local path as an absolute file:// URL; a URL as it is, and what can be no path, which the check refuses."""
    if not text or "://" in text:
        return text
    try:
        return Path(text).expanduser().resolve().as_uri() + "/"
    except (ValueError, RuntimeError):  # null bytes, or a `~name` of nobody
        return text


def _lay_over(fields: dict[str, Any], name: str, values: dict[str, Any]) -> None:
    """Put `values` into the object `fields[name]`; one that is no object is left for the check to refuse."""
    if values and isinstance(fields.get(name, {}), dict):
        fields[name] = {**fields.get(name, {}), **values}


def _pairs(entries: list[str]) -> dict[str, Any]:
    """`key=json` entries as an object; a value that is not JSON is a string."""
    pairs: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise InvalidInput([problem("--extra", "format", entry, "must be written key=value, such as seed=42")])
        try:
            pairs[key] = json.loads(value)
        except ValueError:
            pairs[key] = value
    return pairs
