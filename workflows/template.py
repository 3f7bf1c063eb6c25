"""The input that makes a request a template, filled in by the run for the time that it was planned for."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from workflows.input_fields import Duration, Moment, Seconds, StrictInput, TimeZone
from workflows.planned_times import Interval, Times, read_cron


def _cron(text: str) -> str:
    try:
        read_cron(text, ZoneInfo("UTC"))
    except ValueError as error:
        raise PydanticCustomError("string_pattern_mismatch", str(error)) from None
    return text


class Numbering(StrictInput):
    """Which times `{{ counter }}` and `{{ pick(list) }}` number: those of the schedule, by `cron` or by `every`."""

    cron: Annotated[str, StringConstraints(max_length=200), AfterValidator(_cron)] | None = None
    """Five fields, in the template's time zone."""
    every: Seconds | None = None
    """Whole seconds between times, counted from the Unix epoch."""
    offset: Duration = timedelta(0)
    """Added to each time of `every`."""
    anchor: Moment
    """The first time that is not before it has the number `first`; earlier ones count down from there."""
    first: Annotated[int, Field(strict=True, ge=-(10**9), le=10**9)] = 1
    """The number of the first time."""

    @model_validator(mode="after")
    def _readable(self) -> "Numbering":
        if (self.cron is None) == (self.every is None):
            raise ValueError("must have `cron` or `every`, and not both")
        if any(length and length.microseconds for length in (self.every, self.offset)):
            raise ValueError("must have whole seconds in `every` and `offset`")
        return self

    def times(self, timezone: str) -> Times:
        """The times themselves."""
        if self.every is not None:
            return Interval(int(self.every.total_seconds()), int(self.offset.total_seconds()))
        return read_cron(self.cron or "", ZoneInfo(timezone))

    def number(self, moment: datetime, timezone: str) -> int:
        """The number of the last time that is not after `moment`: a pure function, however many runs there were."""
        return self.first - 1 + self.times(timezone).between(self.anchor - timedelta(seconds=1), moment)


class Template(StrictInput):
    """Makes `request`, `extra`, `name` and `output` templates, whose `{{ placeholders }}` the run fills in once."""

    lists: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,49}$")],
        Annotated[list[Any], Field(min_length=1, max_length=1000)],
    ] = Field(default_factory=dict)
    """By name, for `{{ pick(list) }}`."""
    timezone: TimeZone = "UTC"
    """Of `{{ scheduled }}`: an IANA name such as `Europe/Berlin`."""
    counter: Numbering | None = None
    """What `{{ counter }}` and `{{ pick(list) }}` count."""
    scheduled: Moment | None = None
    """The time to render for. Default: the one for which a Temporal Schedule started the run."""

    def number(self, moment: datetime) -> int | None:
        """The value of `{{ counter }}`; None where nothing says what it counts."""
        return None if self.counter is None else self.counter.number(moment, self.timezone)
