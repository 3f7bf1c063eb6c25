"""`manxue schedule create` and `update`: from options and a request file to a schedule, checked whole before."""

from collections.abc import Mapping
from dataclasses import replace

import typer
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleState

from connection import ensure_search_attributes
from settings import Settings, load
from starter import display, schedules
from starter.cli import schedule_options as given
from starter.cli.schedule_view import put_preview, say_done
from starter.cli.session import Session, in_session, stack_in_use
from starter.request_file import read_document
from starter.schedule_plan import Plan, changed_plan, new_plan
from starter.schedule_times import in_words
from starter.schedules import Recurring
from starter.staging import LocalMedia, staging_place


def create(
    ctx: typer.Context,
    name: given.Name,
    request: given.Request,
    cron: given.Cron = None,
    every: given.Every = None,
    timezone: given.Timezone = None,
    start: given.Start = None,
    end: given.End = None,
    jitter: given.Jitter = None,
    overlap: given.OverlapOption = None,
    catchup: given.Catchup = None,
    pause_on_failure: given.PauseOnFailure = None,
    note: given.Note = None,
    preview: given.Preview = None,
) -> None:
    """Make a schedule, once everything about it and its requests to come is found to be right."""
    media, poll = _surroundings()
    plan = new_plan(name, ctx.params, read_document(request), poll, media)
    if preview is not None:
        put_preview(plan.coming[:preview])
        return

    async def work(session: Session) -> None:
        assert plan.when
        assert plan.checked
        assert plan.fields
        await ensure_search_attributes(session.client)
        await media.upload()
        spec = plan.when.spec()
        action = schedules.action(name, session.settings.task_queue, plan.fields, plan.checked.request, in_words(spec))
        schedule = Schedule(action=action, spec=spec, policy=plan.policy, state=ScheduleState(note=note))
        made = await schedules.create(session.client, name, schedule, plan.checked.request, plan.fields)
        say_done(session, made, f"schedule {name} made; the next times:")
        display.put(name)

    in_session(work)


def update(
    ctx: typer.Context,
    name: given.Name,
    request: given.NewRequest = None,
    cron: given.Cron = None,
    every: given.Every = None,
    timezone: given.Timezone = None,
    start: given.Start = None,
    end: given.End = None,
    jitter: given.Jitter = None,
    overlap: given.OverlapOption = None,
    catchup: given.Catchup = None,
    pause_on_failure: given.PauseOnFailure = None,
    note: given.Note = None,
    preview: given.Preview = None,
) -> None:
    """Change what is given, and leave the rest. Runs under way go on as they are."""
    media, poll = _surroundings()
    document = read_document(request) if request is not None else None

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        plan = await changed_plan(found, ctx.params, document, poll, media)
        if preview is not None:
            put_preview(plan.coming[:preview])
            return
        await media.upload()
        request = plan.checked.request if plan.checked else None
        await found.change(lambda schedule: changed(schedule, name, plan, note), request, plan.fields or {})
        say_done(session, await Recurring.find(session.client, name), f"schedule {name} changed; the next times:")

    in_session(work)


def changed(schedule: Schedule, name: str, plan: Plan, note: str | None) -> Schedule:
    """What is there, with what is planned and nothing else changed."""
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    spec = plan.when.spec() if plan.when else schedule.spec
    state = schedule.state if note is None else replace(schedule.state, note=note)
    if plan.fields is not None and plan.checked:
        new = schedules.action(name, action.task_queue, plan.fields, plan.checked.request, in_words(spec))
        action = schedules.with_input(action, new)
    return Schedule(action=action, spec=spec, policy=plan.policy, state=state)


def _surroundings() -> tuple[LocalMedia, Mapping[str, float]]:
    """Where files of this machine go, and how often a local stack wants to be asked."""
    stack = stack_in_use()
    media = LocalMedia(staging_place(load(Settings), stack), templates=True)
    return media, stack.poll_rhythm() if stack else {}
