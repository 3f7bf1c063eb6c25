"""`manxue schedule backfill`: past times, started after saying what that buys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer
from temporalio.client import ScheduleOverlapPolicy

from manxue.problem import problem
from starter import display
from starter.cli import schedule_options as given
from starter.cli.exit_codes import BAD_INPUT, Stopped
from starter.cli.session import Session, in_session
from starter.inputs import InvalidInput
from starter.schedule_options import OVERLAPS, Options
from starter.schedules import Backfill, Recurring


def backfill(
    ctx: typer.Context,
    name: given.Name,
    from_: given.From,
    to: given.To,
    overlap: given.OrderOption = None,
    yes: given.Yes = False,
) -> None:
    """Start the runs of past times, after saying how many renders that buys."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        schedule = found.description.schedule
        asked = await found.backfill(*_span(ctx.params, schedule.spec.time_zone_name or "UTC"))
        _confirm(asked, yes=yes)
        allowed = schedule.policy.overlap is ScheduleOverlapPolicy.ALLOW_ALL
        order = overlap or (given.Order.ALLOW_ALL if allowed else given.Order.BUFFER_ALL)
        await found.run(asked, OVERLAPS[order])
        display.say(f"{asked.times} runs are being started; look at them: manxue schedule describe {name}")

    in_session(work)


def _span(params: Mapping[str, Any], zone: str) -> tuple[datetime, datetime]:
    options = Options({"from": params["from_"], "to": params["to"]})
    start, end = options.moment("from", ZoneInfo(zone)), options.moment("to", ZoneInfo(zone))
    if start and end and start > end:
        options.problems.append(problem("--to", "range", params["to"], "must not be before --from"))
    elif end and end > datetime.now(UTC):
        options.problems.append(problem("--to", "range", params["to"], "must not be in the future: those times come"))
    options.require()
    assert start
    assert end
    return start, end


def _confirm(asked: Backfill, *, yes: bool) -> None:
    """Raises InvalidInput where there is nothing to do, and Stopped without a yes."""
    if not asked.times:
        hint = "must begin a span with times of the schedule in it; there are none"
        raise InvalidInput([problem("--from", "range", f"{asked.start.isoformat()} to {asked.end.isoformat()}", hint)])
    renders = asked.times - asked.bought
    display.say(f"{asked.times} planned times: this buys up to {renders} render{'s' * (renders != 1)}.")
    if asked.bought:
        display.say(f"What was bought for {asked.bought} of them before is found again, not bought again.")
    if not yes and not _agreed():
        raise Stopped(BAD_INPUT, "nothing was started; --yes answers beforehand")


def _agreed() -> bool:
    try:
        return typer.confirm("Go on?", err=True)
    except typer.Abort:
        return False
