"""What fields of inputs are made of: types that refuse what cannot be meant, with words that say so."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from manxue.task_id import LONGEST, is_task_id
from workflows.planned_times import FIRST_YEAR, LAST_YEAR


class StrictInput(BaseModel):
    """Strict on what callers send: an unknown field is a mistake, and is named."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("time_delta_type", "must be a duration")  # pydantic would read true as one second
    return value


def _task_id(value: str) -> str:
    if not is_task_id(value):
        raise PydanticCustomError("string_pattern_mismatch", "must be a task id of the provider")
    return value


def _fairness_key(value: str) -> str:
    if not 1 <= len(value.encode()) <= 64:  # a longer one fails every workflow task
        raise PydanticCustomError("string_too_long", "must be 1 to 64 bytes long")
    return value


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise PydanticCustomError(
            "string_pattern_mismatch", "must be an IANA time zone such as Europe/Berlin"
        ) from None
    return name


def _known_year(moment: datetime) -> datetime:
    if not FIRST_YEAR < moment.year < LAST_YEAR:  # a day of another zone may lie in the year before or after
        raise PydanticCustomError("greater_than", f"must lie in the years {FIRST_YEAR + 1} to {LAST_YEAR - 1}")
    return moment


_LONGEST = timedelta(days=30)


def _between(least: float) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not timedelta(seconds=least) <= value <= _LONGEST:
            raise PydanticCustomError("greater_than", f"must be {least:g} s to {_LONGEST.days} days")
        return value

    return AfterValidator(check)


def _length_of_time(least: float) -> WithJsonSchema:
    """How a duration is sent: pydantic's own schema knows nothing of numbers."""
    iso = {"type": "string", "pattern": r"^\+?PT?[0-9]", "description": "ISO 8601, such as PT30S."}
    number = {
        "type": "number",
        "minimum": least,
        "maximum": _LONGEST // timedelta(seconds=1),
        "description": "Seconds.",
    }
    return WithJsonSchema({"anyOf": [iso, number]})


Duration = Annotated[timedelta, BeforeValidator(_no_bool), _between(0), _length_of_time(least=0)]
"""An ISO 8601 string such as `PT30S`, or a number of seconds; at most 30 days."""
Seconds = Annotated[timedelta, BeforeValidator(_no_bool), _between(1), _length_of_time(least=1)]
Interval = Annotated[timedelta, BeforeValidator(_no_bool), _between(0.1), _length_of_time(least=0.1)]
TaskId = Annotated[
    str, AfterValidator(_task_id), Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST, "pattern": r"^\S+$"})
]
FairnessKey = Annotated[str, AfterValidator(_fairness_key), Field(json_schema_extra={"minLength": 1, "maxLength": 64})]
Moment = Annotated[AwareDatetime, AfterValidator(_known_year)]
"""RFC 3339 with its offset from UTC; fractions of a second do not count."""
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)]
