"""The files beside a video: a poster, a contact sheet, the manifest. What somebody else has put there is kept."""

from pathlib import PurePath

from pydantic import BaseModel
from temporalio import activity

from manxue.problem import Problem, problem
from manxue.redact import capped
from media.storage import Output, OutputUnavailable
from media.verify import Pictures


class Preview(BaseModel):
    """Where the pictures are."""

    poster_uri: str
    contact_sheet_uri: str


async def deliver_pictures(
    output: Output, video: str, pictures: Pictures | str | None
) -> tuple[Preview | None, list[Problem]]:
    """Put the pictures beside the file `video`; without any, or when they cannot be put, a warning that says why.

    A render that is paid for and delivered does not fail for its pictures. None are wanted where they are None.
    """
    if pictures is None:
        return None, []
    if isinstance(pictures, str):
        return None, [_missing(f"none could be drawn: {pictures}")]
    stem = PurePath(video).stem
    try:
        poster = await _deliver(output, stem, ".poster.jpg", pictures.poster)
        sheet = await _deliver(output, stem, ".contact-sheet.jpg", pictures.contact_sheet)
    except (OutputUnavailable, OSError) as error:
        return None, [_missing(str(error))]
    return Preview(poster_uri=output.uri(poster), contact_sheet_uri=output.uri(sheet)), []


async def deliver_manifest(output: Output, video: str, text: str) -> str:
    """Put the manifest beside the file `video`; its name. Raises OutputUnavailable."""
    return await _deliver(output, video, ".json", text.encode())


async def _deliver(output: Output, stem: str, ending: str, content: bytes) -> str:
    """The name: the run id is in it where another run, or somebody else, has written one beside this video."""
    names = (f"{stem}{ending}", f"{stem}-{activity.info().workflow_run_id}{ending}")
    return await output.deliver_bytes(content, names)


def _missing(why: str) -> Problem:
    hint = f"the video was delivered without pictures: {capped(why, 300)}"
    return problem("preview", "unavailable", None, hint)
