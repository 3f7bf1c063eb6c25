"""The times of a schedule as pure functions: which come next, and how many lie between two moments.

Temporal's server decides when a schedule fires. This says the same of a cron expression or an interval without asking
it, so that a run can count the times up to its own, and a preview can show those to come. A cron expression is read as
the server reads it: a day must match day of month *and* day of week.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 2000, 2100
"""What the server's calendars know. It bounds the cost of counting: one look at each day between, 10 ms at most."""
_DAY = timedelta(days=1)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True)
class Interval:
    """Every so many seconds since the Unix epoch, `offset` seconds later."""

    every: int
    offset: int = 0

    def between(self, after: datetime, until: datetime) -> int:
        """How many times lie in (after, until]; negative when `until` is the earlier one."""
        return self._up_to(until) - self._up_to(after)

    def following(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, in order, UTC."""
        count = self._up_to(moment)
        while True:
            count += 1
            yield datetime.fromtimestamp(count * self.every + self.offset, UTC)

    def _up_to(self, moment: datetime) -> int:
        return (int(moment.timestamp()) - self.offset) // self.every


@dataclass(frozen=True)
class Calendar:
    """A cron expression on the clocks of a time zone.

    It counts what clocks there show. So in a night of daylight saving an hour that is left out is counted all the same,
    and times of an hour that comes twice have the same numbers both times.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    zone: ZoneInfo

    def between(self, after: datetime, until: datetime) -> int:
        """How many times lie in (after, until]; negative when `until` is the earlier one."""
        first, last = (moment.astimezone(self.zone) for moment in (after, until))
        if first.replace(tzinfo=None) > last.replace(tzinfo=None):
            return -self.between(until, after)
        days = (last.date() - first.date()).days
        matching = sum(self._on(first.date() + n * _DAY) for n in range(days))
        return matching * len(self.minutes) * len(self.hours) + self._so_far(last) - self._so_far(first)

    def following(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, in order, UTC; of an hour that comes twice the first."""
        day = moment.astimezone(self.zone).date()
        while day.year <= LAST_YEAR:
            if self._on(day):
                yield from (time for time in self._times(day) if time > moment)
            day += _DAY

    def _on(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _so_far(self, wall: datetime) -> int:
        """How many times of its day are not after it."""
        if not self._on(wall.date()):
            return 0
        earlier = sum(hour < wall.hour for hour in self.hours) * len(self.minutes)
        return earlier + (wall.hour in self.hours) * sum(minute <= wall.minute for minute in self.minutes)

    def _times(self, day: date) -> Iterator[datetime]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                time = wall.astimezone(UTC)
                if time.astimezone(self.zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                    yield time  # else clocks leave it out on that day


Times = Interval | Calendar


def read_cron(text: str, zone: ZoneInfo) -> Calendar:
    """Read five fields, or a shorthand such as `@daily`. Raises ValueError with a hint for the author."""
    fields = _SHORTHANDS.get(text.strip(), text).split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            "must have five fields: minute, hour, day of month, month, day of week, as in `0 9 * * MON-FRI`"
        )
    minutes, hours, days, months, weekdays = (
        _values(field, *rule) for field, rule in zip(fields, _FIELDS, strict=True)
    )
    weekdays = frozenset(day % 7 for day in weekdays)
    if len(days) < 31 and len(weekdays) < 7:
        raise ValueError("must not limit both day of month and day of week: cron means either, Temporal means both")
    return Calendar(minutes, hours, days, months, weekdays, zone)


def _values(text: str, name: str, least: int, most: int, words: list[str]) -> frozenset[int]:
    """One field: `*`, values, ranges, lists of them, each with an optional step."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        start, dash, end = span.partition("-")
        first = least if span == "*" else _value(start, name, least, most, words)
        last = _value(end, name, least, most, words) if dash else most if span == "*" or slash else first
        if last < first or (slash and not _is_step(step)):
            raise ValueError(f"has a {name} that cannot be read: `{part}`")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, name: str, least: int, most: int, words: list[str]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + least
    if text.isascii() and text.isdigit() and len(text) <= 2 and least <= int(text) <= most:
        return int(text)
    names = f", or {words[0].upper()} to {words[-1].upper()}" if words else ""
    raise ValueError(f"has a {name} that is not {least} to {most}{names}: `{text}`")


def _is_step(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2 and int(text) > 0
