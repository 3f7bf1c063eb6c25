"""The options of a schedule, read: when it fires, and what it does when things do not go as planned."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from temporalio.client import ScheduleOverlapPolicy, SchedulePolicy

from manxue.problem import Problem, problem
from starter.inputs import InvalidInput, seconds
from starter.schedule_times import When
from workflows.planned_times import FIRST_YEAR, LAST_YEAR, read_cron

OVERLAPS = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer_one": ScheduleOverlapPolicy.BUFFER_ONE,
    "buffer_all": ScheduleOverlapPolicy.BUFFER_ALL,
    "allow_all": ScheduleOverlapPolicy.ALLOW_ALL,
}
DEFAULT_POLICY = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=timedelta(hours=1))
"""Every planned time gets its video, however long another one takes. What a server that was down has missed by more
than an hour is not bought unasked: `backfill` tells the number first."""
_LEAST_CATCHUP = 10
"""Seconds; the server takes no less."""
_MOST = timedelta(days=30)
_TIMES = ("cron", "every", "timezone", "start", "end", "jitter")
_LENGTHS = TypeAdapter(timedelta)
_LENGTH = "must be a length of time such as 90m, 2h, 1d or PT30M, in whole seconds"


class Options:
    """What was given on the command line: option -> text, and None for what was not given."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.problems: list[Problem] = []

    @property
    def about_times(self) -> bool:
        """Whether any of them says when."""
        return any(self._given.get(name) is not None for name in _TIMES)

    def when(self, before: When | None = None) -> When | None:
        """The times, laid over those that were before. None where they are not readable or not given at all."""
        base = before or When()
        cron, every = self._given.get("cron"), self.length("every", 1)
        if cron is not None and self._given.get("every") is not None:
            self._report("--every", "conflict", "give --cron or --every, not both")
        elif cron is not None or every is not None:
            base = replace(base, cron=cron, every=None if every is None else int(every.total_seconds()), offset=0)
        elif base.cron is None and base.every is None and self._given.get("every") is None:
            self._report("--cron", "required", "say when: --cron '0 9 * * MON-FRI', or --every 6h")
        zone = self._zone(base.timezone)
        start, end = (self.moment(name, zone) or getattr(base, name) for name in ("start", "end"))
        if start and end and start > end:
            self._report("--end", "range", f"must not be before --start, which is {start.isoformat()}")
        jitter = self.length("jitter", 0) if self._given.get("jitter") is not None else base.jitter
        when = replace(base, timezone=zone.key, start=start, end=end, jitter=jitter or None)
        if when.every and start and (every or self._given.get("start") is not None):
            when = replace(when, offset=int(start.timestamp()) % when.every)  # the first time is the start itself
        self._require_times(when, zone)
        return None if self.problems else when

    def policy(self, before: SchedulePolicy = DEFAULT_POLICY) -> SchedulePolicy:
        """What to do when runs overlap, when times were missed, and when a run fails."""
        policy = replace(before)
        if (overlap := self._given.get("overlap")) is not None:
            policy.overlap = OVERLAPS[overlap]
        if (catchup := self.length("catchup", _LEAST_CATCHUP)) is not None:
            policy.catchup_window = catchup
        if self._given.get("pause_on_failure") is not None:
            policy.pause_on_failure = self._given["pause_on_failure"]
        if policy.pause_on_failure and policy.overlap is ScheduleOverlapPolicy.ALLOW_ALL:
            hint = "needs --overlap skip or buffer_one: of runs side by side Temporal does not see which fail"
            self._report("--pause-on-failure", "requires", hint)
        return policy

    def length(self, name: str, least: int) -> timedelta | None:
        """A length of time of whole seconds."""
        text = self._given.get(name)
        if text is None:
            return None
        value = seconds(text)
        if isinstance(value, str) and (iso := _iso_length(value)) is not None:
            value = iso
        if isinstance(value, str) or value != value // 1:
            self._report(f"--{name}", "format", _LENGTH, text)
        elif not least <= value <= _MOST.total_seconds():
            self._report(f"--{name}", "range", f"must be {least} seconds to {_MOST.days} days", text)
        else:
            return timedelta(seconds=value)
        return None

    def moment(self, name: str, zone: ZoneInfo) -> datetime | None:
        """A time; one without an offset from UTC is meant in `zone`."""
        text = self._given.get(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text).replace(microsecond=0)
        except ValueError:
            self._report(f"--{name}", "format", "must be a date or a time such as 2026-11-25T09:00", text)
            return None
        if not FIRST_YEAR < moment.year < LAST_YEAR:
            self._report(f"--{name}", "range", f"must lie in the years {FIRST_YEAR + 1} to {LAST_YEAR - 1}", text)
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

    def require(self) -> None:
        """Raises InvalidInput for what was wrong so far."""
        if self.problems:
            raise InvalidInput(self.problems)

    def _zone(self, before: str) -> ZoneInfo:
        name = self._given.get("timezone") or before
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            self._report("--timezone", "choice", "must be an IANA time zone such as Europe/Berlin", name)
            return ZoneInfo("UTC")

    def _require_times(self, when: When, zone: ZoneInfo) -> None:
        """A schedule that never fires is a mistake."""
        try:
            times = read_cron(when.cron, zone) if when.cron is not None else None
        except ValueError as error:
            self._report("--cron", "format", str(error), when.cron)
            return
        now = datetime.now(UTC)
        if when.end and when.end < now:
            self._report("--end", "range", "must not be over", when.end.isoformat())
        elif times and not list(islice(times.following(now), 1)):
            self._report("--cron", "range", "must match some day: it matches none", when.cron)

    def _report(self, name: str, rule: str, hint: str, given: object = None) -> None:
        self.problems.append(problem(name, rule, given, hint))


def _iso_length(text: str) -> float | None:
    try:
        return _LENGTHS.validate_strings(text).total_seconds()
    except ValidationError:
        return None
