"""From models to JSON Schemas for readers who never see Python: described, and open in what is said."""

import ast
import inspect
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, RootModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

Side = Literal["input", "output"]
"""Whether callers send it or get it."""

_ANY = ("string", "number", "boolean", "object", "array", "null")
_TEXT: Schema = {"type": "string"}
_OPEN = "Fields, and values of enumerations, may be added: ignore what you do not know."


def schema_for(model: type[BaseModel], side: Side) -> Schema:
    """The schema of what callers send, or of what they get."""
    if side == "input":
        return model.model_json_schema(mode="validation", schema_generator=_Generator)
    made = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    enumerations = {f"#/$defs/{name}" for name, form in made.get("$defs", {}).items() if "enum" in form}
    opened: Schema = _opened(made, enumerations)
    opened.pop("discriminator", None)  # a word of OpenAPI
    return {**opened, "description": f"{made['description']} {_OPEN}"}


def _opened(node: Any, enumerations: set[str]) -> Any:
    """`node` with any text wherever one of an enumeration stands: the enumeration itself names the values of today."""
    if isinstance(node, list):
        return [_opened(item, enumerations) for item in node]
    if not isinstance(node, dict):
        return node
    opened = {name: _opened(value, enumerations) for name, value in node.items()}
    if node.get("$ref") in enumerations:
        reference = {"$ref": opened.pop("$ref")}
        return {**opened, "anyOf": [reference, _TEXT]}
    if "anyOf" in opened:
        members = [part for form in opened["anyOf"] for part in (form["anyOf"] if form.keys() == {"anyOf"} else [form])]
        opened["anyOf"] = [form for i, form in enumerate(members) if form not in members[i + 1 :]]
    return opened


class _Generator(GenerateJsonSchema):
    """As pydantic's, with the docs of the fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Titles that only repeat the name become types of their own in generated code."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """What is said has all its fields, always."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without defaults that say nothing: nulls, whole objects, and those of what is said."""
        made = super().default_schema(schema)
        if self.mode == "serialization" or made.get("default") is None or isinstance(made["default"], dict):
            made.pop("default", None)
        return made

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """A pair of two alike as a list of two, which every generator of code knows."""
        made = super().tuple_schema(schema)
        if (parts := made.get("prefixItems")) and all(part == parts[0] for part in parts):
            made["items"] = made.pop("prefixItems")[0]
        return made

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Of several values that are said, those of today."""
        made = super().literal_schema(schema)
        if self.mode == "serialization" and "enum" in made:
            return {"anyOf": [made, _TEXT]}
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """With the docs of the attributes, read here so that no other program pays for them when it starts."""
        made = super().model_schema(schema)
        for name, text in _attribute_docs(schema["cls"]).items():
            form = made.get("properties", {}).get(name, {})
            if form == {}:
                form["type"] = list(_ANY)  # generators of code take a form without one for an object
            form.setdefault("description", text)
        if self.mode == "serialization" and "properties" in made:
            made["additionalProperties"] = True
        return made


def _attribute_docs(cls: type[BaseModel]) -> dict[str, str]:
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel or issubclass(base, RootModel):
            continue
        tree = ast.parse(inspect.getsource(base)).body[0]
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for statement, after in pairwise(body):
            match statement, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs
