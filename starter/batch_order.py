"""What a batch file orders: every line composed, its files found, all of it checked before anything is started."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from manxue.batch import BatchLine, as_input, fingerprint, run_ids
from manxue.checked_request import CheckedRequest
from manxue.problem import Problem
from starter.batch_file import BatchFile, Entry
from starter.inputs import InvalidInput, check, output_url
from starter.staging import LocalMedia

REQUEST_DEFAULTS = ("model", "duration", "ratio")
INPUT_DEFAULTS = ("output", "deadline", "tenant", "priority")
"""Options that hold for every line which does not say otherwise."""


@dataclass(frozen=True)
class LineProblem:
    """What is wrong with a line of a file."""

    file: str
    line: int
    problem: Problem

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


class InvalidBatch(Exception):
    """Lines of a file break rules, so nothing was started. `problems` is all that is wrong with all of them."""

    def __init__(self, problems: list[LineProblem], lines: int) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.lines = lines
        """How many there are, right ones included."""


@dataclass(frozen=True)
class Ordered:
    """One right line."""

    number: int
    fields: dict[str, Any]
    request: CheckedRequest
    fingerprint: str


@dataclass(frozen=True)
class BatchOrder:
    """The right lines of a file, and what is wrong with the others."""

    lines: list[Ordered]
    problems: list[LineProblem]
    media: LocalMedia

    @property
    def fingerprint(self) -> str:
        """The same for files that order the same in the same order, however they are written."""
        return joint_fingerprint(line.fingerprint for line in self.lines)

    def batch_lines(self, batch_id: str) -> list[BatchLine]:
        """As a batch under that id is given them."""
        ids = run_ids(batch_id, (line.fingerprint for line in self.lines))
        return [
            BatchLine(number=line.number, workflow_id=run_id, input=line.fields)
            for line, run_id in zip(self.lines, ids, strict=True)
        ]


def joint_fingerprint(fingerprints: Iterable[str]) -> str:
    """Of all that a batch orders."""
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()


def read_order(
    file: BatchFile, defaults: Mapping[str, Any], poll: Mapping[str, float], media: LocalMedia, *, skip_invalid: bool
) -> BatchOrder:
    """Compose and check every line. `defaults` are options by name, `poll` how often to ask where nobody says.

    Raises InvalidBatch when a line is wrong and `skip_invalid` is not set, or when no line is right.
    """
    lines: list[Ordered] = []
    problems: list[LineProblem] = []
    for entry in file.entries:
        try:
            lines.append(_ordered(entry, file, defaults, poll, media))
        except InvalidInput as error:
            problems += [LineProblem(file.name, entry.line, problem) for problem in error.problems]
    if problems and not (skip_invalid and lines):
        raise InvalidBatch(problems, len(file.entries))
    return BatchOrder(lines, problems, media)


def _ordered(
    entry: Entry, file: BatchFile, defaults: Mapping[str, Any], poll: Mapping[str, float], media: LocalMedia
) -> Ordered:
    if entry.problems:
        raise InvalidInput(entry.problems)
    fields = _composed(entry.content, defaults, poll)
    known = len(media.problems)
    fields["request"] = media.in_request(fields["request"], {}, file.folder)
    _, request = check(fields, media.problems[known:])
    references = {*request.images(), *request.reference_videos, *request.reference_audios}
    return Ordered(entry.line, fields, request, fingerprint(fields, media.names_of(sorted(references))))


def _composed(content: Any, defaults: Mapping[str, Any], poll: Mapping[str, float]) -> dict[str, Any]:
    fields = dict(as_input(content))
    given = {name: value for name, value in defaults.items() if value is not None}
    if isinstance(fields["request"], dict):
        fields["request"] = {**{name: given[name] for name in REQUEST_DEFAULTS if name in given}, **fields["request"]}
    fields = {**{name: given[name] for name in INPUT_DEFAULTS if name in given}, **fields}
    if isinstance(fields.get("output"), str):
        fields["output"] = output_url(fields["output"])
    if poll:
        fields.setdefault("poll", dict(poll))
    return fields
