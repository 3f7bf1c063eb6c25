"""When a schedule fires: from options to Temporal's spec, and from a spec to words and to the times it means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio.client import ScheduleCalendarSpec, ScheduleIntervalSpec, ScheduleRange, ScheduleSpec

from workflows.planned_times import Calendar, Interval, Times
from workflows.template import Numbering


@dataclass(frozen=True)
class When:
    """What a user says of the times. Exactly one of `cron` and `every` is set."""

    cron: str | None = None
    every: int | None = None
    """Seconds."""
    offset: int = 0
    """Seconds from the Unix epoch to the first time of `every`."""
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    jitter: timedelta | None = None

    def numbering(self, anchor: datetime, first: int = 1) -> Numbering:
        """What the runs count."""
        every = None if self.every is None else timedelta(seconds=self.every)
        offset = timedelta(seconds=self.offset)
        return Numbering(cron=self.cron, every=every, offset=offset, anchor=anchor, first=first)

    def spec(self) -> ScheduleSpec:
        """The same for Temporal."""
        every = [] if self.every is None else [timedelta(seconds=self.every)]
        offset = timedelta(seconds=self.offset) or None
        return ScheduleSpec(
            cron_expressions=[self.cron] if self.cron else [],
            intervals=[ScheduleIntervalSpec(every=length, offset=offset) for length in every],
            start_at=self.start,
            end_at=self.end,
            jitter=self.jitter,
            time_zone_name=self.timezone,
        )


def when_of(spec: ScheduleSpec) -> When | None:
    """What a spec as Temporal keeps it would be on the command line; None for one that is more than that."""
    if times_of(spec) is None:
        return None
    when = When(timezone=spec.time_zone_name or "UTC", start=spec.start_at, end=spec.end_at, jitter=spec.jitter or None)
    for interval in spec.intervals:
        offset = int((interval.offset or timedelta()).total_seconds())
        return replace(when, every=int(interval.every.total_seconds()), offset=offset)
    return replace(when, cron=_cron(spec.calendars[0]))


def times_of(spec: ScheduleSpec) -> Times | None:
    """The times of a spec as Temporal keeps it; None for one that is more than a cron expression or an interval."""
    if spec.skip or spec.cron_expressions or len(spec.calendars) + len(spec.intervals) != 1:
        return None
    for interval in spec.intervals:
        return Interval(int(interval.every.total_seconds()), int((interval.offset or timedelta()).total_seconds()))
    (calendar,) = spec.calendars
    if _values(calendar.second) != {0} or calendar.year:
        return None
    return Calendar(
        minutes=_values(calendar.minute),
        hours=_values(calendar.hour),
        days=_values(calendar.day_of_month),
        months=_values(calendar.month),
        weekdays=frozenset(day % 7 for day in _values(calendar.day_of_week)),
        zone=ZoneInfo(spec.time_zone_name or "UTC"),
    )


def in_words(spec: ScheduleSpec) -> str:
    """`0 9 * * 1-5 Europe/Berlin` or `every 2 h`, whoever has written the spec."""
    parts = [f"every {length_in_words(interval.every)}{_offset(interval)}" for interval in spec.intervals]
    parts += [*spec.cron_expressions, *map(_cron, spec.calendars)]
    parts += [f"not {_cron(calendar)}" for calendar in spec.skip]
    zone = f" {spec.time_zone_name or 'UTC'}" if spec.calendars or spec.cron_expressions or spec.skip else ""
    return (", ".join(parts) or "never") + zone


def _values(ranges: Sequence[ScheduleRange]) -> frozenset[int]:
    return frozenset(value for r in ranges for value in range(r.start, max(r.start, r.end) + 1, max(r.step, 1)))


def _cron(calendar: ScheduleCalendarSpec) -> str:
    whole = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
    fields = (calendar.minute, calendar.hour, calendar.day_of_month, calendar.month, calendar.day_of_week)
    words = [_field(ranges, *limits) for ranges, limits in zip(fields, whole, strict=True)]
    if _values(calendar.second) != {0}:
        words.insert(0, f"second {_field(calendar.second, 0, 59)}:")
    if calendar.year:
        words.append(f"in {_field(calendar.year, 0, 0)}")
    return " ".join(words)


def _field(ranges: Sequence[ScheduleRange], least: int, most: int) -> str:
    parts = []
    for r in ranges:
        end, step = max(r.start, r.end), max(r.step, 1)
        span = "*" if (r.start, end) == (least, most) else f"{r.start}-{end}" if end > r.start else f"{r.start}"
        parts.append(f"{span}/{step}" if step > 1 else span)
    return ",".join(parts)


def _offset(interval: ScheduleIntervalSpec) -> str:
    """From which moment, where it is not the epoch: such as `from 00:05 UTC`."""
    if not interval.offset:
        return ""
    first = datetime.fromtimestamp(interval.offset.total_seconds(), UTC)
    return f", counted from {first:%H:%M:%S} UTC" if interval.every <= timedelta(days=1) else ""


def length_in_words(length: timedelta) -> str:
    """`2 h`, `90 min`, `45 s`."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
