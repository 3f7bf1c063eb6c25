"""CSV with one request per row: the header names fields of the input or of the provider's create-task body."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from manxue.problem import Problem, problem, unknown_field
from manxue.request import FIELDS, REFERENCE_LIMITS
from starter.inputs import seconds
from workflows.contract import GenerateVideoInput, Poll

LIST_SEPARATOR = "|"
"""Between entries of a list in one cell. In a URL it must be written %7C."""

_INPUT = tuple(name for name in GenerateVideoInput.model_fields if name not in ("request", "extra", "poll", "template"))
_POLL = tuple(f"poll.{name}" for name in Poll.model_fields)
_EXTRA = "extra."
_COLUMNS = (*FIELDS, *_INPUT, *_POLL)


def csv_entries(text: str) -> Iterator[tuple[int, Any, list[Problem]]]:
    """Line, whole input and problems of each row, and of the header where it has any. Empty cells are not given."""
    csv.field_size_limit(2**20)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    names: list[str] = []
    line = 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, None, [problem("line", "format", None, f"cannot be read as CSV, nor what follows: {error}")]
            return
        if not any(cell.strip() for cell in cells):
            pass
        elif not names:
            names = [cell.strip() for cell in cells]
            if wrong := _wrong_header(names):
                yield line, None, wrong
        elif len(cells) > len(names):
            yield line, None, [problem("line", "format", None, f"has {len(cells)} cells under {len(names)} names")]
        else:
            yield line, _input(dict(zip(names, cells, strict=False))), []
        line = rows.line_num + 1


def _delimiter(text: str) -> str:
    """Spreadsheets of some countries write semicolons."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _wrong_header(names: list[str]) -> list[Problem]:
    wrong = [
        unknown_field(name, list(_COLUMNS), "name a field of the input or of the provider's request, or `extra.name`")
        for name in names
        if name not in _COLUMNS and not (name.startswith(_EXTRA) and name != _EXTRA)
    ]
    twice = {name for name in names if names.count(name) > 1}
    return wrong + [problem(name, "conflict", None, "stands in the header twice") for name in sorted(twice)]


def _input(cells: dict[str, str]) -> dict[str, Any]:
    """What the header does not know was told there; it is left out here."""
    given = {name: cell for name, cell in cells.items() if cell.strip()}
    whole: dict[str, Any] = {"request": {name: _value(name, given[name]) for name in FIELDS if name in given}}
    whole |= {name: _value(name, given[name]) for name in _INPUT if name in given}
    if poll := {name.partition(".")[2]: seconds(given[name]) for name in _POLL if name in given}:
        whole["poll"] = poll
    if extra := {name[len(_EXTRA) :]: _json(cell) for name, cell in given.items() if name.startswith(_EXTRA)}:
        whole["extra"] = extra
    return whole


def _whole(cell: str) -> int | str:
    return int(cell) if re.fullmatch(r"\s*-?\d{1,9}\s*", cell) else cell


def _yes_or_no(cell: str) -> bool | str:
    return {"true": True, "false": False}.get(cell.strip().lower(), cell)


def _list(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(LIST_SEPARATOR) if part.strip()]


def _json(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


_CONVERT: dict[str, Callable[[str], Any]] = {
    "prompt": str,
    "duration": _whole,
    "priority": _whole,
    **{name: _yes_or_no for name, known in GenerateVideoInput.model_fields.items() if known.annotation is bool},
    "deadline": seconds,
    **dict.fromkeys(REFERENCE_LIMITS, _list),
}
"""A value that cannot be converted stays as it is, for the rules to refuse."""


def _value(name: str, cell: str) -> Any:
    return _CONVERT.get(name, str.strip)(cell)
