"""`manxue batch report`: a batch as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from starter import display
from starter.cli.batch_start import BatchId
from starter.cli.session import Session, in_session


def report(
    batch_id: BatchId,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: the id of the batch with .html.")] = None,
) -> None:
    """Write a batch as one HTML file: videos, facts, failures with their reasons."""

    async def work(session: Session) -> None:
        display.say(str(out), "dim")

    in_session(work)
