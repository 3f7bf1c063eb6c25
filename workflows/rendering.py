"""Placeholders in a request: `{{ scheduled:%A }}`, `{{ utc }}`, `{{ counter }}`, `{{ pick(prompts) }}`.

A language of four words, looked up in a table: no attributes, no loops, no nesting, and a bound on what comes out.
Every value follows from the template and the time that the run was planned for, so a retry or a reset of the run, which
comes to this code again, makes the same request.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from manxue.problem import Problem, problem
from workflows.template import Template

RENDERED = ("name", "output", "request", "extra")
"""The fields of the input that are templates."""
MOST_BYTES = 256 * 1024
"""Of an input as JSON, and so of what is made of it."""

_PLACEHOLDER = re.compile(r"\s*(\w+)\s*(?:\(\s*([\w-]*)\s*\)\s*)?(?::(.*))?", re.DOTALL)
_WIDTH = re.compile(r"0?[1-9]")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_NAMES: dict[str, Callable[[datetime], str]] = {
    "A": lambda time: _DAYS[time.weekday()],
    "a": lambda time: _DAYS[time.weekday()][:3],
    "B": lambda time: _MONTHS[time.month - 1],
    "b": lambda time: _MONTHS[time.month - 1][:3],
    "p": lambda time: "AM" if time.hour < 12 else "PM",
}
"""Directives that strftime would answer by the locale of the process."""
_NUMBERS = frozenset("dmyYHIMSjuVGzZ")
_DIRECTIVES = ", ".join(f"%{letter}" for letter in sorted({*_NAMES, *_NUMBERS}))
_DIRECTIVE = re.compile("%(-?)(.?)", re.DOTALL)
_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Placeholder:
    """What stands between two braces."""

    word: str
    argument: str | None = None
    """Between parentheses."""
    format: str | None = None
    """After the colon."""


@dataclass(frozen=True)
class Rendered:
    """Fields with their placeholders filled in."""

    fields: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    picked: list[str] = field(default_factory=list)
    """Which list entries are in it, such as `prompts[2]`."""


def render(fields: dict[str, Any], template: Template, moment: datetime) -> Rendered:
    """Fill in all that is a template in the input's `fields`, for the planned time `moment`."""
    renderer = _Renderer(template, moment)
    filled = {
        name: renderer.value(value, "" if name == "request" else name) if name in RENDERED else value
        for name, value in fields.items()
    }
    result = Rendered(filled, renderer.problems, list(dict.fromkeys(renderer.picked)))
    own = {name: value for name, value in filled.items() if name in RENDERED}
    if not result.problems and len(json.dumps(own)) > MOST_BYTES:
        result.problems.append(_too_large())
    return result


def placeholders(text: str) -> list[Placeholder]:
    """The placeholders in a text, those left out that cannot be read."""
    return [found for piece in text.split("{{")[1:] if (found := _read(piece.partition("}}")[0]))]


def whole_pick(text: object) -> str | None:
    """The list of a text that is `{{ pick(list) }}` and nothing else."""
    found = _only(text) if isinstance(text, str) else None
    return found.argument if found and found.word == "pick" else None


def _only(text: str) -> Placeholder | None:
    text = text.strip()
    inner = text[2:-2]
    if not (text.startswith("{{") and text.endswith("}}")) or "{{" in inner or "}}" in inner:
        return None
    return _read(inner)


def _read(inner: str) -> Placeholder | None:
    matched = _PLACEHOLDER.fullmatch(inner.rstrip())
    return Placeholder(*matched.groups()) if matched else None


def _too_large() -> Problem:
    return problem("template", "range", None, f"must not make more than {MOST_BYTES} bytes of its placeholders")


class _Renderer:
    """One pass over one input, gathering problems."""

    def __init__(self, template: Template, moment: datetime) -> None:
        self._template = template
        self._moment = moment.replace(microsecond=0)
        self._number = template.number(self._moment)
        self._left = MOST_BYTES
        self.problems: list[Problem] = []
        self.picked: list[str] = []
        self._words: dict[str, Callable[[Placeholder], Any]] = {
            "scheduled": lambda given: _time(self._moment.astimezone(ZoneInfo(template.timezone)), given),
            "utc": lambda given: _time(self._moment.astimezone(UTC), given),
            "counter": self._counter,
            "pick": self._pick,
        }

    def value(self, value: Any, path: str) -> Any:
        """Any JSON value. A text that is one placeholder and nothing else becomes what that stands for."""
        match value:
            case str():
                return self._text(value, path)
            case list():
                return [self.value(item, f"{path}[{i}]") for i, item in enumerate(value)]
            case dict():
                return {name: self.value(item, f"{path}.{name}" if path else str(name)) for name, item in value.items()}
            case _:
                return value

    def _text(self, text: str, path: str) -> Any:
        if "{{" not in text:
            return text
        try:
            if only := _only(text):
                return self._filled(only)
            start, *pieces = text.split("{{")
            return start + "".join(self._piece(piece) for piece in pieces)
        except _Unusable as error:
            if len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(problem(path or "request", error.rule, error.given or text, str(error)))
            return text

    def _piece(self, piece: str) -> str:
        inner, closed, rest = piece.partition("}}")
        given = _read(inner)
        if not closed or given is None:
            hint = f"has a placeholder that cannot be read; write one of {_choices(self._words)}"
            raise _Unusable("format", "{{" + inner, hint)
        value = self._filled(given)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise _Unusable("type", "{{" + inner + "}}", "must stand alone: what it picks is no text")
        return f"{value}{rest}"

    def _filled(self, given: Placeholder) -> Any:
        word = self._words.get(given.word)
        if word is None:
            near = get_close_matches(given.word, self._words, n=1)
            meant = f"did you mean `{near[0]}`? " if near else ""
            raise _Unusable("choice", given.word, f"{meant}there is {_choices(self._words)}")
        if (given.word == "pick") != (given.argument is not None):
            raise _Unusable("format", given.word, f"must be one of {_choices(self._words)}")
        return word(given)

    def _counter(self, given: Placeholder) -> int | str:
        number = self._numbered()
        if given.format is None:
            return number
        if not _WIDTH.fullmatch(given.format.strip()):
            raise _Unusable("format", given.format, "must be a width, as in `{{ counter:03 }}`")
        return f"{number:0{int(given.format)}d}"

    def _pick(self, given: Placeholder) -> Any:
        name, lists = str(given.argument), self._template.lists
        if name not in lists:
            raise _Unusable("choice", name, f"picks of a list that `template.lists` does not have: {_names(lists)}")
        if given.format is not None:
            raise _Unusable("format", given.format, "takes no format with `pick`")
        index = (self._numbered() - 1) % len(lists[name])
        entry, place = lists[name][index], f"{name}[{index}]"
        if self._left >= 0:
            self._left -= len(json.dumps(entry))
        if self._left < 0:
            raise _Unusable("range", None, _too_large().hint)
        self.picked.append(place)
        words = self._words
        self._words = {word: value for word, value in words.items() if word != "pick"}
        try:
            return self.value(entry, f"template.lists.{place}")
        finally:
            self._words = words

    def _numbered(self) -> int:
        if self._number is None:
            raise _Unusable("requires", None, "needs `template.counter`, which says which times are counted")
        return self._number


class _Unusable(Exception):
    """A placeholder that stands for nothing. The text is a hint."""

    def __init__(self, rule: str, given: str | None, hint: str) -> None:
        super().__init__(hint)
        self.rule = rule
        self.given = given


def _time(time: datetime, given: Placeholder) -> str:
    """English names of days and months, whatever the locale; `%-d` and the like without leading zeros."""
    if given.format is None:
        return time.isoformat()

    def shown(directive: re.Match[str]) -> str:
        bare, letter = directive.groups()
        if letter in _NUMBERS:
            number = time.strftime(f"%{letter}")
            return number.lstrip("0") or "0" if bare else number
        if letter in _NAMES and not bare:
            return _NAMES[letter](time)
        if directive[0] == "%%":
            return "%"
        raise _Unusable("format", directive[0], f"has a time format that is not one of {_DIRECTIVES}")

    return _DIRECTIVE.sub(shown, given.format.strip())


def _choices(words: dict[str, Any]) -> str:
    shown = {"scheduled": "{{ scheduled:%A }}", "utc": "{{ utc }}", "counter": "{{ counter }}"}
    return ", ".join(shown.get(word, "{{ pick(list) }}") for word in words)


def _names(lists: dict[str, Any]) -> str:
    return "it has " + ", ".join(lists) if lists else "it is empty"
