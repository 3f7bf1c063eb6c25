"""Files of many requests: JSON Lines, CSV, or a YAML or JSON list. What cannot be read is told line by line."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from manxue.problem import Problem, problem
from starter.batch_csv import csv_entries
from starter.request_file import JsonTypes, RequestFileUnreadable, folder_of, once, read_text


@dataclass(frozen=True)
class Entry:
    """One request of a file."""

    line: int
    """On which it begins, from 1."""
    content: Any = None
    """As it came: a `GenerateVideoInput`, or only the provider's create-task body."""
    problems: list[Problem] = field(default_factory=list)
    """Why it cannot be read."""


@dataclass(frozen=True)
class BatchFile:
    """A file as far as it could be read."""

    name: str
    folder: Path
    """What relative paths in it are relative to."""
    entries: list[Entry]


def read_batch_file(source: str) -> BatchFile:
    """Read a file by its suffix, or JSON Lines from standard input for `-`. Raises RequestFileUnreadable."""
    name, text = read_text(source)
    read = _READERS.get(".jsonl" if source == "-" else Path(source).suffix.lower())
    if read is None:
        known = ", ".join(_READERS)
        raise RequestFileUnreadable(f"{name} is of no kind that is known by its name: it must end in one of {known}")
    entries = list(read(text, name))
    if not entries:
        raise RequestFileUnreadable(f"{name} holds no request")
    return BatchFile(name, folder_of(source), entries)


def _json_lines(text: str, name: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand in a JSON string
        if line.strip():
            try:
                yield Entry(number, json.loads(line, object_pairs_hook=once))
            except (ValueError, RecursionError) as error:
                yield Entry(number, problems=[problem("line", "format", line.strip(), f"is not valid JSON: {error}")])


def _json(text: str, name: str) -> Iterator[Entry]:
    """A list, read item by item, since the standard library does not tell where an item begins."""
    decoder, at = json.JSONDecoder(), _skip(text, 0)
    if text[at : at + 1] != "[":
        raise RequestFileUnreadable(f"{name} must hold a list of requests")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        try:
            content, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise RequestFileUnreadable(f"{name} is not valid JSON: {error}") from error
        yield Entry(text.count("\n", 0, at) + 1, content)
        at = _skip(text, end)
        if text[at : at + 1] not in (",", "]"):
            raise RequestFileUnreadable(f"{name} is not valid JSON at line {text.count(chr(10), 0, at) + 1}")
        at = _skip(text, at + 1) if text[at] == "," else at
    if (at := _skip(text, at + 1)) < len(text):
        line = text.count("\n", 0, at) + 1
        raise RequestFileUnreadable(
            f"{name} goes on after its list at line {line}: what stands there would be left out"
        )


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _yaml(text: str, name: str) -> Iterator[Entry]:
    loader = JsonTypes(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node
            yield from _yaml_document(loader, node)
    except (yaml.YAMLError, RecursionError) as error:
        raise RequestFileUnreadable(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
    finally:
        loader.dispose()


def _yaml_document(loader: JsonTypes, node: yaml.Node) -> Iterator[Entry]:
    """A list of requests, or one request of several documents."""
    for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        line = item.start_mark.line + 1
        try:
            content = json.loads(json.dumps(loader.construct_document(item)))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            yield Entry(line, problems=[problem("line", "format", None, f"holds what JSON cannot express: {error}")])
        else:
            yield Entry(line, content)


def _csv(text: str, name: str) -> Iterator[Entry]:
    for line, content, problems in csv_entries(text):
        yield Entry(line, content, problems)


_READERS: dict[str, Callable[[str, str], Iterator[Entry]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv,
    ".tsv": _csv,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
}
