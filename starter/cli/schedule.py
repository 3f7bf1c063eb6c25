"""`manxue schedule`: renders that come again and again, as Temporal Schedules that start `GenerateVideo`."""

import typer

from starter import display, schedules
from starter.cli import schedule_options as given
from starter.cli.schedule_backfill import backfill
from starter.cli.schedule_make import create, update
from starter.cli.schedule_view import described, listed, put_description, put_list, say_done
from starter.cli.session import Session, in_session
from starter.schedule_options import OVERLAPS
from starter.schedule_plan import counts_other_times
from starter.schedule_runs import recent_runs
from starter.schedules import Recurring

app = typer.Typer(help="Renders that come again and again.", no_args_is_help=True)


def list_(as_json: given.Json = False) -> None:
    """List the schedules that start renders."""

    async def work(session: Session) -> None:
        found = [listed(one) async for one in schedules.schedules(session.client)]
        if as_json:
            display.put_json(found)
        else:
            put_list(found)

    in_session(work)


def describe(name: given.Name, as_json: given.Json = False) -> None:
    """Show a schedule, its next ten times in your time zone, and how its latest runs ended."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        fields, runs = await found.fields(), await recent_runs(found)
        if as_json:
            display.put_json(described(found.description, fields, runs))
        else:
            put_description(found.description, fields, runs, session.schedule_link(name))
        if counts_other_times(found, fields):
            display.say(
                "The times were changed outside of `manxue`: {{ counter }} and {{ pick(...) }} still count those "
                f"before. `manxue schedule update {name}` lets them go on with the new ones.",
                "yellow",
            )

    in_session(work)


def trigger(name: given.Name, overlap: given.OverlapOption = None) -> None:
    """Start a run now, beside the planned ones. Its planned time is now; its workflow id is printed."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        started = await found.trigger(OVERLAPS[overlap] if overlap else None)
        display.put(started)
        display.say(f"watch it: manxue watch {started}", "dim")

    in_session(work)


def pause(name: given.Name, note: given.Note = None) -> None:
    """Start no more runs at the planned times. Runs under way go on."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        await found.handle.pause(note=note or found.description.schedule.state.note)
        display.say(f"paused: {name}; go on: manxue schedule unpause {name}")

    in_session(work)


def unpause(name: given.Name, note: given.Note = None) -> None:
    """Go on. Times that have passed meanwhile stay as they are: `backfill` starts them."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        await found.handle.unpause(note=note or found.description.schedule.state.note)
        say_done(session, await Recurring.find(session.client, name), f"{name} goes on; the next times:")

    in_session(work)


def delete(name: given.Name) -> None:
    """Delete a schedule. Its runs go on, and what they have bought is delivered."""

    async def work(session: Session) -> None:
        found = await Recurring.find(session.client, name)
        await found.handle.delete()
        display.say(f"deleted: {name}; its runs, if any, go on")

    in_session(work)


for command in (create, describe, update, trigger, backfill, pause, unpause, delete):
    app.command()(command)
app.command("list")(list_)
