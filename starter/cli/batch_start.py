"""`manxue batch start` and `retry`: from a file, or from what another batch has left, to a batch that goes on."""

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from manxue.problem import problem
from media.output import output_problem
from settings import Settings, load
from starter import display
from starter.batch import Batch, existing, start_batch
from starter.batch_file import read_batch_file
from starter.batch_order import joint_fingerprint, read_order
from starter.batch_outcomes import FORGOTTEN, next_id, own_outcomes
from starter.batch_retry import lines_to_retry
from starter.cli.batch_watching import wait_and_show
from starter.cli.session import Session, in_session, stack_in_use
from starter.execution import NotPossible
from starter.inputs import InvalidInput, output_url, seconds
from starter.ordered_before import refuse_what_was_ordered
from starter.staging import LocalMedia, staging_place
from workflows.batch_contract import DEFAULT_CONCURRENCY, MOST_CONCURRENCY

_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")

BatchId = Annotated[str, typer.Argument(metavar="ID", help="The id of the batch, as `manxue batch FILE` prints it.")]
Concurrency = Annotated[
    int, typer.Option(min=1, max=MOST_CONCURRENCY, metavar="N", help="How many runs may be in flight.")
]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Print the id of the batch and leave.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ALL = "For every line that does not say otherwise"
_EVERY = "Every line"
_FORGOTTEN = (
    "the runs were started, and the server knows nothing of them any more: their retention is over. They may have "
    "made their videos. To order such lines anew, put them into another file"
)
_TOLD = 20


def start(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON Lines, CSV, or a YAML or JSON list; - for JSON Lines on stdin.")
    ],
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    key: Annotated[
        str | None,
        typer.Option(
            help="Name of the batch. Started again with a changed file, it renders only what is new. Default: a hash."
        ),
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Start the right lines although others are wrong.")
    ] = False,
    model: Annotated[str | None, typer.Option(help=_ALL, rich_help_panel=_EVERY)] = None,
    duration: Annotated[int | None, typer.Option(metavar="SECONDS", help=_ALL, rich_help_panel=_EVERY)] = None,
    ratio: Annotated[str | None, typer.Option(help=_ALL, rich_help_panel=_EVERY)] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR|URL", help=_ALL, rich_help_panel=_EVERY)
    ] = None,
    deadline: Annotated[str | None, typer.Option(metavar="TIME", help=_ALL, rich_help_panel=_EVERY)] = None,
    tenant: Annotated[str | None, typer.Option(help=_ALL, rich_help_panel=_EVERY)] = None,
    priority: Annotated[int | None, typer.Option(metavar="1-5", help=_ALL, rich_help_panel=_EVERY)] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Check every line of a file, then render them all. The same file again is the same batch."""
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidInput([problem("--key", "format", key, "must be 1 to 100 letters, digits, `.`, `_` or `-`")])
    defaults: dict[str, object] = {
        "model": model,
        "duration": duration,
        "ratio": ratio,
        "output": output,
        "tenant": tenant,
    }
    defaults |= {"priority": priority, "deadline": None if deadline is None else seconds(deadline)}
    stack = stack_in_use()
    media = LocalMedia(staging_place(load(Settings), stack))
    poll = stack.poll_rhythm() if stack else {}
    order = read_order(read_batch_file(file), defaults, poll, media, skip_invalid=skip_invalid)
    batch_id = f"batch-{key or order.fingerprint[:16]}"
    source = "stdin" if file == "-" else Path(file).name

    async def work(session: Session) -> None:
        for found in order.problems:
            display.say(f"skipped: {found}", "yellow")
        if order.problems:
            display.say(f"when they are mended, this starts only them: {_again(batch_id, key)}", "dim")
        batch = await existing(session.client, batch_id, order.fingerprint)
        is_new = batch is None
        if batch is None:
            lines = order.batch_lines(batch_id)
            if key is None:
                await refuse_what_was_ordered(session.client, source, lines)
            await media.upload()
            batch, is_new = await start_batch(
                session.client,
                session.settings.task_queue,
                batch_id,
                lines,
                order.fingerprint,
                concurrency,
                source,
                skip_invalid=skip_invalid,
            )
        await _begun(session, batch, is_new=is_new, detach=detach, as_json=as_json)

    in_session(work)


async def _begun(session: Session, batch: Batch, *, is_new: bool, detach: bool, as_json: bool) -> None:
    said = "started" if is_new else f"exists already ({batch.status}), nothing new was started:"
    display.say(" ".join(filter(None, (said, batch.id, session.link(batch)))))
    if detach:
        display.put(batch.id)
        display.say(f"watch it: manxue batch watch {batch.id}", "dim")
    else:
        await wait_and_show(session.client, batch, as_json=as_json)


def retry(
    batch_id: BatchId,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR|URL", help="Another place for their videos.")
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Run the lines again that have no video. What was paid for is fetched, not ordered again."""
    place = None if output is None else output_url(output)
    if place is not None and (hint := output_problem(place)):
        raise InvalidInput([problem("--output", "url", output, hint)])

    async def work(session: Session) -> None:
        client, batch, new_id = session.client, await Batch.find(session.client, batch_id), next_id(batch_id)
        if batch.is_open:
            raise NotPossible(
                f"{batch_id} is going on; wait for it, or cancel it first: manxue batch cancel {batch_id}"
            )
        outcomes = await own_outcomes(client, batch)
        if gone := [str(outcome.line.number) for outcome in outcomes if outcome.state == FORGOTTEN]:
            more = f" and {len(gone) - _TOLD} more" if len(gone) > _TOLD else ""
            display.say(f"left out: {batch.source}:{', '.join(gone[:_TOLD])}{more}: {_FORGOTTEN}", "yellow")
        lines = lines_to_retry(batch_id, outcomes, place)
        ordered = joint_fingerprint([*(line.workflow_id for line in lines), *([place] if place else [])])
        display.say(f"{len(lines)} of {len(outcomes)} lines of {batch_id} have no video and are run again")
        again, is_new = await existing(client, new_id, ordered), False
        if again is None:
            queue = session.settings.task_queue
            again, is_new = await start_batch(client, queue, new_id, lines, ordered, concurrency, batch.source)
        await _begun(session, again, is_new=is_new, detach=detach, as_json=as_json)

    in_session(work)


def _again(batch_id: str, key: str | None) -> str:
    """The command as it was given, for the same batch."""
    words = [word for word in sys.argv[1:] if word != "--skip-invalid"]
    return shlex.join(["manxue", *words, *([] if key else ["--key", batch_id.removeprefix("batch-")])])
