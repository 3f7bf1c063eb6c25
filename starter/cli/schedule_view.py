"""What people see of schedules: times in their own zone, what will be ordered, how the latest runs ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from temporalio.client import Schedule, ScheduleDescription, ScheduleListDescription, ScheduleOverlapPolicy

from manxue.redact import capped, redact_json
from starter import display
from starter.cli.session import Session
from starter.schedule_request import Planned
from starter.schedule_runs import RecentRun
from starter.schedule_times import in_words, length_in_words
from starter.schedules import Recurring

_SHOWN = 5
"""Of the next times, after a schedule was made or changed."""
_COLUMNS = ("NAME", "STATE", "TIMES", "NEXT", "LATEST")


def moment(time: datetime, zone: str | None = None) -> str:
    """A time on this machine's clock, and on that of `zone` where they differ."""
    here = time.astimezone()
    there = time.astimezone(ZoneInfo(zone)) if zone else here
    other = "" if there.utcoffset() == here.utcoffset() else f"  ({there:%a %H:%M:%S} {zone})"
    return f"{here:%a %Y-%m-%d %H:%M:%S %Z}{other}"


def put_preview(planned: Sequence[Planned]) -> None:
    """YAML documents on standard output, one for each time."""
    for one in planned:
        shown: dict[str, Any] = {
            name: one.fields[name] for name in ("name", "output", "request", "extra") if name in one.fields
        }
        document: dict[str, Any] = {"time": one.moment.isoformat(), "counter": one.number, **shown}
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, explicit_start=True, width=1000)
        display.put(text.rstrip("\n"))


def say_done(session: Session, schedule: Recurring, said: str) -> None:
    """What became of a schedule, and its next times."""
    description = schedule.description
    display.say(said)
    _say_times(description.info.next_action_times[:_SHOWN], description.schedule.spec.time_zone_name)
    if description.schedule.state.paused:
        display.say("It is paused, so none of them starts a run.", "yellow")
    if link := session.schedule_link(description.id):
        display.say(f"  {link}", "dim")


def _say_times(times: Sequence[datetime], zone: str | None) -> None:
    for time in times:
        display.say(f"  {moment(time, zone)}")
    if not times:
        display.say("  no more times")


def listed(one: ScheduleListDescription) -> dict[str, Any]:
    """One line of the list, as JSON."""
    info, schedule = one.info, one.schedule
    recent = info.recent_actions if info else []
    upcoming = info.next_action_times if info else []
    return {
        "name": one.id,
        "state": "paused" if schedule and schedule.state.paused else "active",
        "times": in_words(schedule.spec) if schedule else "",
        "note": schedule.state.note if schedule else None,
        "next": upcoming[0].isoformat() if upcoming else None,
        "latest": recent[-1].scheduled_at.isoformat() if recent else None,
    }


def put_list(schedules: Sequence[dict[str, Any]]) -> None:
    """A table on standard output."""
    rows = [(one["name"], one["state"], one["times"], _short(one["next"]), _short(one["latest"])) for one in schedules]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        display.put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def described(description: ScheduleDescription, fields: Mapping[str, Any], runs: Sequence[RecentRun]) -> dict[str, Any]:
    """A schedule as JSON. Lengths of time are in seconds."""
    schedule, info = description.schedule, description.info
    spec, policy = schedule.spec, schedule.policy
    return {
        "name": description.id,
        "state": "paused" if schedule.state.paused else "active",
        "note": schedule.state.note,
        "input": redact_json(dict(fields)),
        "times": in_words(spec),
        "timezone": spec.time_zone_name or "UTC",
        "start": spec.start_at and spec.start_at.isoformat(),
        "end": spec.end_at and spec.end_at.isoformat(),
        "jitter": spec.jitter.total_seconds() if spec.jitter else None,
        "overlap": policy.overlap.name.lower(),
        "catchup": policy.catchup_window.total_seconds() if policy.catchup_window else None,
        "pause_on_failure": policy.pause_on_failure,
        "started": info.num_actions,
        "skipped": info.num_actions_skipped_overlap,
        "missed": info.num_actions_missed_catchup_window,
        "next": [time.isoformat() for time in info.next_action_times],
        "runs": [run.model_dump(mode="json") for run in runs],
    }


def put_description(
    description: ScheduleDescription, fields: Mapping[str, Any], runs: Sequence[RecentRun], link: str | None
) -> None:
    """A schedule for people, on standard output."""
    schedule, info, zone = description.schedule, description.info, description.schedule.spec.time_zone_name
    state = schedule.state
    limits = [f"{word} {moment(time, zone)}" for word, time in _limits(schedule) if time]
    rows = {
        "schedule": description.id,
        "state": "paused" if state.paused else "active",
        "note": state.note,
        "request": _request(fields),
        "times": in_words(schedule.spec),
        "only": ", ".join(limits),
        "jitter": schedule.spec.jitter and f"up to {length_in_words(schedule.spec.jitter)} later",
        "rules": _rules(schedule),
        "runs": f"{info.num_actions} started, {info.num_actions_skipped_overlap} times skipped because of overlap, "
        f"{info.num_actions_missed_catchup_window} missed",
        "web ui": link,
    }
    display.put_rows([(label, str(value)) for label, value in rows.items() if value])
    times = info.next_action_times
    display.put("\nnext" + (", once it is no longer paused" if state.paused and times else ""))
    for time in times:
        display.put(f"  {moment(time, zone)}")
    if not times:
        display.put("  no more times")
    if runs:
        display.put("\nlatest")
    for run in runs:
        outcome = run.outcome if run.state in ("completed", "failed") else f"{run.state} {run.outcome}"
        display.put(f"  {moment(run.planned_for, zone)}  {display.location(outcome)}\n    {run.workflow_id}")


def _request(fields: Mapping[str, Any]) -> str | None:
    """The beginning of what is asked for, placeholders and all."""
    body = fields.get("request")
    words = f"{body.get('model')} · {body.get('prompt')}" if isinstance(body, dict) else str(body)
    return capped(" ".join(words.split()), 200) if body else None


def _limits(schedule: Schedule) -> list[tuple[str, datetime | None]]:
    return [("from", schedule.spec.start_at), ("until", schedule.spec.end_at)]


def _rules(schedule: Schedule) -> str:
    policy = schedule.policy
    beside = {
        ScheduleOverlapPolicy.SKIP: "a time is skipped while a run goes on",
        ScheduleOverlapPolicy.BUFFER_ONE: "one run waits while another goes on",
        ScheduleOverlapPolicy.BUFFER_ALL: "runs wait for each other",
        ScheduleOverlapPolicy.ALLOW_ALL: "runs go on side by side",
    }
    words = [beside.get(policy.overlap, policy.overlap.name.lower())]
    if policy.catchup_window:
        words.append(f"missed times start up to {length_in_words(policy.catchup_window)} late")
    if policy.pause_on_failure:
        words.append("a failure pauses it")
    return "; ".join(words)


def _short(time: str | None) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S %Z}" if time else "-"
