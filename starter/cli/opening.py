"""`manxue open`: a finished run's video, or a picture of it, in the program that the system opens such files with."""

import asyncio
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from manxue.url import is_object_store
from media.presign import PresignFailed, presign
from starter import display
from starter.cli.exit_codes import NOT_NOW, Stopped
from starter.cli.runs import RunId
from starter.cli.session import Session, in_session
from workflows.contract import VideoResult

_OPENER = "open" if sys.platform == "darwin" else "xdg-open"
_LIFETIME = timedelta(hours=1)
"""Of a signed URL: a player asks for the rest of the video again and again."""


def open_video(
    run_id: RunId,
    poster: Annotated[bool, typer.Option("--poster", help="Open the poster instead.")] = False,
    contact_sheet: Annotated[bool, typer.Option("--contact-sheet", help="Open the contact sheet instead.")] = False,
    print_only: Annotated[bool, typer.Option("--print", help="Open nothing: print the path, or the URI.")] = False,
) -> None:
    """Open a finished run's video. Of an object store, by a URL that is signed for an hour and not shown."""
    if poster and contact_sheet:
        raise typer.BadParameter("give --poster or --contact-sheet, not both")

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        if run.is_open:
            raise Stopped(NOT_NOW, f"{run_id} is not finished; wait for it: manxue watch {run_id}")
        uri = _wanted(await run.result(), poster=poster, contact_sheet=contact_sheet)
        if print_only:
            display.put(display.location(uri))
        else:
            await _open(uri)

    in_session(work)


def _wanted(result: VideoResult, *, poster: bool, contact_sheet: bool) -> str:
    if not poster and not contact_sheet:
        return result.video.uri
    if result.preview is None:
        reasons = [warning.hint for warning in result.warnings if warning.field == "preview"]
        raise Stopped(NOT_NOW, "; ".join(["the run has no pictures", *reasons]))
    return result.preview.poster_uri if poster else result.preview.contact_sheet_uri


async def _open(uri: str) -> None:
    """Never shows the signed URL of an object. Raises Stopped."""
    where = display.location(uri)
    target = await _signed(uri) if is_object_store(uri) else _here(where)
    opener = shutil.which(_OPENER)
    if opener is None:
        raise Stopped(NOT_NOW, f"{_OPENER} is not installed, so nothing can be opened; it is at {where}")
    process = await asyncio.create_subprocess_exec(opener, target, stdout=sys.stderr)
    if code := await process.wait():
        raise Stopped(NOT_NOW, f"{_OPENER} could not open {where} (exit code {code})")


async def _signed(uri: str) -> str:
    try:
        return await presign(uri, _LIFETIME)
    except PresignFailed as error:
        raise Stopped(NOT_NOW, f"{error}; this shell needs the store's credentials, as the worker has") from None


def _here(path: str) -> str:
    if not Path(path).exists():
        raise Stopped(NOT_NOW, f"{path} is not on this machine: it was moved, or lies on the worker's")
    return path
