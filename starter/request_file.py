"""Request files: JSON or YAML, holding the whole input of `GenerateVideo` or only the provider's create-task body."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class RequestFileUnreadable(Exception):
    """The file does not exist or is neither JSON nor YAML; the text is a sentence."""


@dataclass(frozen=True)
class Document:
    """A request file, as the fields of `GenerateVideoInput`."""

    fields: dict[str, Any]
    folder: Path = Path()
    """What relative paths in it are relative to."""


def read_document(source: str) -> Document:
    """Read a file, or standard input for `-`. Raises RequestFileUnreadable."""
    name, text = read_text(source)
    is_json = source.lower().endswith(".json") or text.lstrip().startswith("{")
    content = _json(text, name) if is_json else _yaml(text, name)
    whole = isinstance(content, dict) and "request" in content
    return Document(content if whole else {"request": content}, folder_of(source))


def read_text(source: str) -> tuple[str, str]:
    """How the file, or standard input for `-`, is called in messages, and its text. Raises RequestFileUnreadable."""
    name = "standard input" if source == "-" else source
    try:  # as UTF-8 whatever the locale says: a prompt that is read as something else would be paid for
        content = sys.stdin.buffer.read() if source == "-" else Path(source).expanduser().read_bytes()
        return name, content.decode("utf-8-sig")
    except (OSError, RuntimeError) as error:  # RuntimeError: a `~name` of nobody
        raise RequestFileUnreadable(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise RequestFileUnreadable(f"{name} is not UTF-8 text") from error


def folder_of(source: str) -> Path:
    """What relative paths in the file are relative to."""
    return Path() if source == "-" else Path(source).expanduser().parent


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for `json.loads`. Raises ValueError for a field that is given twice: only one would be paid."""
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the field {twice[0]!r} is given twice")
    return dict(pairs)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise RequestFileUnreadable(f"{name} is not valid JSON: {error}") from error


def _yaml(text: str, name: str) -> Any:
    try:
        content = yaml.load(text, JsonTypes)  # noqa: S506 - derived from SafeLoader
        return json.loads(json.dumps(content))
    except yaml.YAMLError as error:
        raise RequestFileUnreadable(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RequestFileUnreadable(f"{name} holds what JSON cannot express: {error}") from error


class JsonTypes(yaml.SafeLoader):
    """YAML with the types of JSON only, as in YAML 1.2.

    YAML 1.1 would read the ratio 16:9 as the number 969, a prompt `no` as false and a name 2026-01-31 as a date.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See the base class. A field that is given twice is refused, as in JSON."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the field {twice[0]!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML has it
    yaml_constructors = {  # noqa: RUF012 - the others make what JSON does not have, or fail in ways of their own
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
    }


_WHOLE = r"-?(?:0|[1-9][0-9]*)"
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", _WHOLE, list("-0123456789")),
    ("float", _WHOLE + r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    JsonTypes.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)
