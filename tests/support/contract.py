"""The published schemas, as a foreign service has them: the files, and a validator that knows nothing of our models."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.processes import ROOT

FOLDER = ROOT / "schema" / "v1"


def published(name: str) -> dict[str, Any]:
    """The file."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return schema


@cache
def validator(name: str) -> Draft202012Validator:
    """For what callers send, or get and may take as it comes."""
    return Draft202012Validator(published(name), format_checker=Draft202012Validator.FORMAT_CHECKER)


@cache
def _exact(name: str) -> Draft202012Validator:
    return Draft202012Validator(_closed(published(name)), format_checker=Draft202012Validator.FORMAT_CHECKER)


def said(name: str, value: Any) -> Any:
    """`value`, having checked that it is what the schema says: no field is missing, wrong, or not in the schema."""
    problems = [f"{error.json_path}: {error.message}" for error in _exact(name).iter_errors(value)]
    assert not problems, f"not as in schema/v1/{name}.json: {problems}"
    return value


def _closed(node: Any) -> Any:
    """The schema without what is open for the future: additional fields, and other words in enumerations."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(value) for name, value in node.items()}
    if closed.get("additionalProperties") is True and "properties" in closed:
        closed["additionalProperties"] = False
    forms = closed.get("anyOf", [])
    if any("enum" in form or "$ref" in form for form in forms):
        closed["anyOf"] = [form for form in forms if form != {"type": "string"}]
    return closed
