"""Whether a schema may take the place of a published one: additions may, what breaks a caller may not.

Our own, since the libraries that compare schemas do not know 2020-12 or call themselves unfinished. It knows the
keywords that our schemas are made of; a change in any other counts as breaking.
"""

import json
from collections.abc import Iterator
from typing import Any

from starter.schema_making import Schema, Side

_NOTES = {"title", "description", "default", "examples", "deprecated", "$schema", "$id", "$defs"}
"""Keywords that say nothing of what is valid."""
_MAPS = ("properties", "patternProperties")
_PARTS = ("items", "propertyNames", "then")
_LEAST, _MOST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems")
_KNOWN = {
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "required",
    "additionalProperties",
    *_MAPS,
    *_PARTS,
    *_LEAST,
    *_MOST,
}


def breaks(published: Schema, made: Schema, side: Side) -> list[str]:
    """How `made` breaks callers who know `published`, by refusing what they send or saying what they do not expect."""
    old, new = _plain(published, published), _plain(made, made)
    refused = _refused(old, new, "") if side == "input" else _refused(new, old, "")
    words = set(_words(new, ""))
    gone = (f"{place or 'it'}: {word} is gone" for place, word in _words(old, "") if (place, word) not in words)
    return list(dict.fromkeys([*refused, *gone]))


def _plain(node: Any, whole: Schema) -> Any:
    """A schema without notes, and with definitions in place of references to them."""
    if not isinstance(node, dict):
        return [_plain(form, whole) for form in node] if isinstance(node, list) else node
    if "$ref" in node:
        definition = whole["$defs"][node["$ref"].removeprefix("#/$defs/")]
        node = {**definition, **{name: value for name, value in node.items() if name != "$ref"}}
    return {
        name: {key: _plain(form, whole) for key, form in value.items()} if name in _MAPS else _plain(value, whole)
        for name, value in node.items()
        if name not in _NOTES
    }


def _refused(given: Any, by: Any, place: str) -> Iterator[str]:
    """What of `given` the schema `by` refuses."""
    if by in ({}, True) or given == by:
        return
    if by is False or given in ({}, True):
        yield f"{place or 'it'}: is open in one and not in the other"
        return
    if _forms(given) != [given] or _forms(by) != [by]:
        for form in _forms(given):
            if "oneOf" not in by or _event(form) in map(_event, by["oneOf"]):  # whoever reads lines skips new events
                yield from min((list(_refused(form, other, place)) for other in _forms(by)), key=len)
        return
    yield from _values_refused(given, by, place or "it")
    for name in _PARTS:
        yield from _refused(given.get(name, {}), by.get(name, {}), place)
    for name, form in by.get("patternProperties", {}).items():
        yield from _refused(given.get("patternProperties", {}).get(name, {}), form, place)
    yield from _properties_refused(given, by, place)


def _values_refused(given: Schema, by: Schema, place: str) -> Iterator[str]:
    types, values = _types(given), _values(given)
    if "type" in by and not (types and types <= _types(by) | ({"integer"} if "number" in _types(by) else set())):
        yield f"{place}: the type {sorted(types)} is not {sorted(_types(by))}"
    if (allowed := _values(by)) is not None and not (values is not None and values <= allowed):
        yield f"{place}: the values {sorted(values or [])} are not among {sorted(allowed)}"
    for name in (*_LEAST, *_MOST):
        if name in by and not (
            name in given and (given[name] >= by[name] if name in _LEAST else given[name] <= by[name])
        ):
            yield f"{place}: {name} is {by[name]}, not {given.get(name)}"
    for name in by.keys() - _KNOWN:
        if given.get(name) != by[name]:
            yield f"{place}: {name} is {by[name]!r}, not {given.get(name)!r}"


def _properties_refused(given: Schema, by: Schema, place: str) -> Iterator[str]:
    mine, theirs = given.get("properties", {}), by.get("properties", {})
    closed, others = given.get("additionalProperties") is False, by.get("additionalProperties", True)
    for name, form in mine.items():
        yield from _refused(form, theirs.get(name, others), f"{place}.{name}".lstrip("."))
    for name in () if closed else theirs.keys() - mine.keys():
        yield f"{place}.{name}".lstrip(".") + ": is gone"
    if not closed:
        yield from _refused(given.get("additionalProperties", True), others, f"{place}.*".lstrip("."))
    for name in sorted(set(by.get("required", [])) - set(given.get("required", []))):
        yield f"{place}.{name}".lstrip(".") + ": is required in one and not in the other"


def _forms(schema: Schema) -> list[Schema]:
    forms: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return forms


def _event(form: Schema) -> Any:
    return form.get("properties", {}).get("event", {}).get("const")


def _types(schema: Schema) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def _values(schema: Schema) -> set[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else {json.dumps(value) for value in values}


def _words(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every value that a plain schema names, and where: what callers compare with."""
    if isinstance(node, list):
        for form in node:
            yield from _words(form, place)
    elif isinstance(node, dict):
        yield from ((place, value) for value in sorted(_values(node) or ()))
        for name, value in node.items():
            if name in _MAPS:
                for key, form in value.items():
                    yield from _words(form, f"{place}.{key}".lstrip("."))
            elif name not in ("enum", "const"):
                yield from _words(value, place)
