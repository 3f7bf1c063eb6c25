"""`manxue batch report`: a batch as one HTML file."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from manxue.problem import problem
from media.presign import PresignFailed
from starter import display
from starter.batch import Batch
from starter.batch_outcomes import outcomes
from starter.batch_page import BatchTitle, PageOptions, page
from starter.cli.batch_start import BatchId
from starter.cli.exit_codes import UNAVAILABLE, Stopped
from starter.cli.session import Session, in_session
from starter.inputs import InvalidInput, seconds

_LONGEST_LINKS = 7 * 86400
"""Seconds; S3 signs nothing for longer."""


def report(
    batch_id: BatchId,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: the id of the batch with .html.")] = None,
    presign: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Play videos of object stores by signed links. They are secrets in the page, and end after this time.",
        ),
    ] = None,
) -> None:
    """Write a batch as one HTML file: videos, facts, failures with their reasons. Retries are in it."""
    lifetime = None if presign is None else seconds(presign)
    if lifetime is not None and not (isinstance(lifetime, float) and 1 <= lifetime <= _LONGEST_LINKS):
        raise InvalidInput([problem("--presign", "range", presign, "must be a time of at most 7 days, such as 12h")])
    file = out or Path(f"{batch_id}.html")

    async def work(session: Session) -> None:
        batch = await Batch.find(session.client, batch_id)
        links = timedelta(seconds=float(lifetime)) if lifetime else None
        if links:
            display.say("whoever has the page can fetch the videos in object stores until the links end", "yellow")
        lines = await outcomes(session.client, batch)
        try:
            title = BatchTitle(batch.id, batch.source, batch.status)
            text = await page(title, lines, PageOptions(file.parent, links))
            file.write_text(text, encoding="utf-8")
        except PresignFailed as error:
            raise Stopped(UNAVAILABLE, str(error)) from error
        except OSError as error:
            raise Stopped(UNAVAILABLE, f"{file} cannot be written: {error.strerror}") from error
        display.put(str(file))

    in_session(work)
