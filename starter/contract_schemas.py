"""The published contract: JSON Schemas of what callers send and get, made from the models. Files: schema/v1/*.json."""

import ast
import inspect
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from workflows.batch_contract import BatchProgress, BatchResult, GenerateBatchInput
from workflows.contract import FailureDetails, GenerateVideoInput, Progress, Resolution, VideoResult

VERSION = "v1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Published:
    """One model of the contract."""

    model: type[BaseModel]
    side: Side
    """Whether callers send it or get it."""


PUBLISHED: dict[str, Published] = {
    "input": Published(GenerateVideoInput, "input"),
    "resolution": Published(Resolution, "input"),
    "result": Published(VideoResult, "output"),
    "progress": Published(Progress, "output"),
    "failure-details": Published(FailureDetails, "output"),
    "batch-input": Published(GenerateBatchInput, "input"),
    "batch-progress": Published(BatchProgress, "output"),
    "batch-result": Published(BatchResult, "output"),
}
"""By the name of the file. To publish one more, add its line and run `make schema`."""


def schema_of(name: str) -> dict[str, Any]:
    """The schema with this name."""
    published = PUBLISHED[name]
    mode: Literal["validation", "serialization"] = "validation" if published.side == "input" else "serialization"
    schema = published.model.model_json_schema(mode=mode, schema_generator=_Generator)
    return {"$schema": _DIALECT, "$id": f"urn:manxue:schema:{VERSION}:{name}", **schema}


class _Generator(GenerateJsonSchema):
    """As pydantic's, for readers who never see Python: attribute docstrings are descriptions, outputs are open."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Titles that only repeat the name become types of their own in generated code."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """What is said always has all its fields."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """With the attribute docstrings, read here so that no other start of a program pays for them."""
        made = super().model_schema(schema)
        for name, text in _attribute_docs(schema["cls"]).items():
            made["properties"].get(name, {}).setdefault("description", text)
        if self.mode == "serialization":
            made["additionalProperties"] = True
        return made


def _attribute_docs(cls: type) -> dict[str, str]:
    docs: dict[str, str] = {}
    for base in reversed([base for base in cls.__mro__ if issubclass(base, BaseModel) and base is not BaseModel]):
        body = ast.parse(inspect.getsource(base)).body[0]
        assert isinstance(body, ast.ClassDef)
        for statement, after in zip(body.body, body.body[1:], strict=False):
            match statement, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs
