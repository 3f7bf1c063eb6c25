"""`manxue list`: which runs there are, and where they are."""

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from activities.visibility import UNSEARCHABLE, is_searchable
from starter import display
from starter.cli.session import Session, in_session
from starter.inputs import seconds
from starter.listing import Filter, ListedRun, State, list_runs
from starter.table import put_table

_MODEL_PREFIX = "sd2_manxue_"
_FOR_MODELS, _FOR_TASKS = 80, 130
"""Columns of a terminal in which there is room for them."""


def list_(
    phase: Annotated[
        list[State] | None, typer.Option(help="Only runs that are here; may be given several times.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only runs with this model.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only runs of this tenant.")] = None,
    task_id: Annotated[str | None, typer.Option(help="Only runs with this task of the provider.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs not older than this: 2h, 90m, 3d, ISO 8601.")
    ] = None,
    is_open: Annotated[
        bool | None, typer.Option("--open/--closed", help="Only runs that go on, or only those that are over.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs: those that go on first, the youngest at the top."""
    for option, value in (("--model", model), ("--tenant", tenant), ("--task-id", task_id)):
        if value is not None and not is_searchable(value):
            raise typer.BadParameter(f"must be without {UNSEARCHABLE}, not {value!r}", param_hint=option)
    wanted = Filter(phase or (), model, tenant, task_id, _age(since), is_open)

    async def work(session: Session) -> None:
        runs, count = await list_runs(session.client, wanted, limit)
        if as_json:
            display.put_json([run.model_dump(mode="json") for run in runs])
        elif runs:
            _put(runs)
        else:
            display.say("no runs")
        if count > len(runs):
            display.say(f"{len(runs)} of {count} runs; more: --limit {min(count, 1000)}", "dim")

    in_session(work)


def _put(runs: Sequence[ListedRun]) -> None:
    """In a narrow terminal without what can be had by other means, so that the prompt is seen."""
    width = display.terminal_width() or sys.maxsize
    columns: dict[str, Callable[[ListedRun], str]] = {
        "ID": lambda run: run.id,
        "STATE": lambda run: run.state.replace("_", " "),
        **({"MODEL": lambda run: (run.model or "-").removeprefix(_MODEL_PREFIX)} if width >= _FOR_MODELS else {}),
        "AGE": lambda run: display.elapsed(run.started_at),
        **({"TASK": lambda run: run.task_id or "-"} if width >= _FOR_TASKS else {}),
        "PROMPT": lambda run: run.prompt or "-",
    }
    put_table(list(columns), [[cell(run) for cell in columns.values()] for run in runs])


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        age = TypeAdapter(timedelta).validate_python(seconds(text))
    except ValidationError:
        age = timedelta(0)
    if not timedelta(0) < age <= timedelta(days=36500):
        raise typer.BadParameter(f"must be a time such as 2h, 90m, 3d or PT2H, not {text!r}", param_hint="--since")
    return age
