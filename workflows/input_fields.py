"""What fields of inputs are made of: types that refuse what cannot be meant, with words that say so."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from manxue.task_id import is_task_id
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


Duration = Annotated[timedelta, BeforeValidator(_no_bool), Field(ge=timedelta(0), le=timedelta(days=30))]
"""An ISO 8601 string such as `PT30S`, or a number of seconds; at most 30 days."""
Seconds = Annotated[Duration, Field(ge=timedelta(seconds=1))]
TaskId = Annotated[str, AfterValidator(_task_id)]
FairnessKey = Annotated[str, AfterValidator(_fairness_key)]
Moment = Annotated[AwareDatetime, AfterValidator(_known_year)]
"""RFC 3339 with its offset from UTC; fractions of a second do not count."""
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)]
