"""`manxue batch`: many renders from one file."""

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from starter import display
from starter.batch import Batch
from starter.batch_view import failure_line, summary
from starter.cli.batch_report import report
from starter.cli.batch_start import BatchId, Json, retry, start
from starter.cli.batch_watching import wait_and_show
from starter.cli.session import Session, in_session
from starter.execution import NotPossible, NoWorkerAnswers
from starter.outcome import RunFailed
from workflows.batch_contract import MOST_CONCURRENCY, BatchProgress

_HELP = ("-h", "--help")
_CANCEL_PATIENCE = 30.0
"""Seconds to wait for the runs in flight to end; one with a create call in flight waits for its answer."""


class _StartByDefault(TyperGroup):
    """`manxue batch requests.jsonl` is `manxue batch start requests.jsonl`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command there that was left out."""
        if args and args[0] not in self.commands and args[0] not in _HELP:
            args = ["start", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StartByDefault,
    help="Many renders from one file, a limited number at a time. `manxue batch FILE` is `manxue batch start FILE`.",
    no_args_is_help=True,
)


@app.command()
def status(batch_id: BatchId, as_json: Json = False) -> None:
    """Show where a batch is."""

    async def work(session: Session) -> None:
        batch = await Batch.find(session.client, batch_id)
        try:
            progress = await batch.progress()
        except (NotPossible, NoWorkerAnswers) as silence:
            display.say(f"no progress to show: {silence}", "yellow")
            display.put_rows([("batch", batch.id), ("state", batch.status)])
            return
        if as_json:
            display.put_json(progress.model_dump(mode="json"))
        else:
            _show(session, batch, progress)

    in_session(work)


def _show(session: Session, batch: Batch, progress: BatchProgress) -> None:
    begun = batch.description.start_time
    rows = [
        ("batch", batch.id),
        ("state", f"{progress.phase}, for {display.elapsed(progress.since)}"),
        ("lines", summary(progress.counts)),
        ("at a time", str(progress.concurrency)),
        ("started", f"{display.clock(begun)}, {display.elapsed(begun)} ago"),
    ]
    rows += [("message", progress.message)] if progress.phase != "running" else []
    rows += [("failed", f"{count} {kind}") for kind, count in progress.failure_types.items()]
    link = session.link(batch)
    rows += [("web ui", link)] if link else []
    display.put_rows(rows)
    for end in progress.failures:
        display.say(failure_line(batch, end), "red")


@app.command()
def watch(batch_id: BatchId, as_json: Json = False) -> None:
    """Follow a batch to its end, as `start` does."""

    async def work(session: Session) -> None:
        await wait_and_show(session.client, await Batch.find(session.client, batch_id), as_json=as_json)

    in_session(work)


@app.command()
def pause(batch_id: BatchId) -> None:
    """Start no more runs. Those in flight go on."""

    async def work(session: Session) -> None:
        batch = await Batch.find(session.client, batch_id)
        display.say(f"{(await batch.pause()).phase}; go on: manxue batch resume {batch_id}")

    in_session(work)


@app.command()
def resume(batch_id: BatchId) -> None:
    """Start runs again."""

    async def work(session: Session) -> None:
        progress = await (await Batch.find(session.client, batch_id)).resume()
        display.say(f"{progress.phase}: {summary(progress.counts)}")

    in_session(work)


@app.command()
def concurrency(
    batch_id: BatchId,
    count: Annotated[int, typer.Argument(metavar="N", min=1, max=MOST_CONCURRENCY, help="Runs in flight at most.")],
) -> None:
    """Change how many runs may be in flight."""

    async def work(session: Session) -> None:
        progress = await (await Batch.find(session.client, batch_id)).set_concurrency(count)
        display.say(f"at most {progress.concurrency} runs in flight from now on: {summary(progress.counts)}")

    in_session(work)


@app.command()
def cancel(batch_id: BatchId) -> None:
    """Start nothing more and cancel the runs in flight. What the provider has accepted goes on and is billed."""

    async def work(session: Session) -> None:
        batch = await Batch.find(session.client, batch_id)
        await batch.cancel()
        try:
            await asyncio.wait_for(batch.result(), _CANCEL_PATIENCE)
        except RunFailed as ended:
            display.say(f"{ended.message} Later: manxue batch retry {batch_id} fetches what is paid and runs the rest.")
        except TimeoutError:
            display.say(f"{batch_id} was asked to stop, and has not stopped yet (is a worker running?)")
        else:
            display.say("too late to cancel: the batch is over")

    in_session(work)


for command in (start, retry, report):
    app.command()(command)
