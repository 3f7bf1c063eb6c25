"""Any JSON at all, read as the input of `GenerateBatch` and of its updates: what is wrong is told, field by field."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from manxue.failure import FailureType
from manxue.problem import Problem, problem, sentence
from workflows.batch_contract import MOST_CONCURRENCY, Concurrency, GenerateBatchInput
from workflows.batch_state import BatchState, ContinuedBatch
from workflows.failures import failure
from workflows.run_input import ArgumentCount

_MOST_BYTES = 1024 * 1024
"""It is handed on as pages, and Temporal takes 2 MB at a time."""
_LONGEST_ID = 900
"""Temporal takes 1,000; a run with a longer id cannot be started, and the batch would try for ever."""
_CONCURRENCY: TypeAdapter[int] = TypeAdapter(Concurrency)
_HINT = f"must be a whole number from 1 to {MOST_CONCURRENCY}"


def read_batch_input(raw: RawValue | ArgumentCount) -> GenerateBatchInput:
    """Read the one argument. Raises InvalidRequest; the requests in it are judged later."""
    if isinstance(raw, ArgumentCount):
        raise _invalid([problem("input", "type", raw.count, "must be exactly one argument, a JSON object")])
    if (size := len(raw.payload.data)) > _MOST_BYTES:
        hint = f"must be at most {_MOST_BYTES} bytes of JSON; `manxue batch` takes a file of any size"
        raise _invalid([problem("input", "range", f"{size} bytes", hint)])
    if (length := len(workflow.info().workflow_id.encode())) > _LONGEST_ID:
        hint = f"must be at most {_LONGEST_ID} bytes long: those of its runs begin with it"
        raise _invalid([problem("workflow id", "range", f"{length} bytes", hint)])
    try:
        return GenerateBatchInput.model_validate(from_json(raw.payload.data or b"null", allow_inf_nan=False))
    except ValidationError as error:
        raise _invalid([_problem(found["loc"], found["type"], found["msg"]) for found in error.errors()]) from None
    except ValueError as error:
        raise _invalid([problem("input", "type", None, f"must be a JSON object ({error})")]) from None


def read_concurrency(raw: RawValue) -> int:
    """Read the argument of `set_concurrency`. Raises InvalidRequest, which refuses the update."""
    try:
        return _CONCURRENCY.validate_json(raw.payload.data or b"null")
    except ValidationError:
        raise _invalid([problem("concurrency", "range", None, _HINT)]) from None


def continued_batch(raw: RawValue | ArgumentCount) -> BatchState | None:
    """What an earlier run of the chain handed over; None for a run that somebody started."""
    if workflow.info().continued_run_id is None or isinstance(raw, ArgumentCount):
        return None
    try:
        return ContinuedBatch.model_validate_json(raw.payload.data).continued
    except ValidationError:
        return None


def _problem(place: tuple[Any, ...], kind: str, message: str) -> Problem:
    name = ".".join(map(str, place)) or "input"
    if kind == "extra_forbidden":
        return problem(name, "unknown_field", None, f"must be one of {', '.join(GenerateBatchInput.model_fields)}")
    hint = _HINT if name == "concurrency" else message.removeprefix("Value error, ").replace("Input should", "must")
    return problem(name, "type", None, hint[:1].lower() + hint[1:])


def _invalid(problems: list[Problem]) -> ApplicationError:
    return failure(FailureType.INVALID_REQUEST, sentence(problems), problems=problems)
