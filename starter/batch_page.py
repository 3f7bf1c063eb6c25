"""A batch as one HTML file that needs nothing else: thumbnails that play, facts, failures with their reasons."""

import asyncio
import base64
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from manxue.batch import as_input
from manxue.redact import redact
from media.presign import presign
from media.small_file import read_small
from starter.batch_outcomes import FORGOTTEN, WAITING, LineOutcome
from starter.display import clock, location, size
from workflows.contract import VideoResult

_POSTER_MOST = 8 * 2**20
"""Bytes of a poster that is worth reading."""
_THUMBNAIL = (480, 480)
_QUALITY = 72
_STATES = ("completed", "failed", "canceled", "terminated", "timed out", "running", WAITING, FORGOTTEN)
"""In the order in which the page offers them."""
_AT_ONCE = 8


@dataclass(frozen=True)
class BatchTitle:
    """Which batch it is."""

    id: str
    source: str
    """The file that it was read from."""
    status: str


@dataclass(frozen=True)
class PageOptions:
    """What depends on where the page will lie, and who will see it."""

    folder: Path
    """Where the page is written: videos are referred to relative to it."""
    presigned_for: timedelta | None = None
    """Signed links to videos in object stores, which are secrets and end after this; None: none."""


async def page(title: BatchTitle, lines: Sequence[LineOutcome], options: PageOptions) -> str:
    """The page, as HTML. Raises PresignFailed."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(outcome: LineOutcome) -> dict[str, Any]:
        async with turns:
            return await _card(outcome, options)

    cards = await asyncio.gather(*map(one, lines))
    counts = Counter(outcome.state for outcome in lines)
    environment = Environment(loader=PackageLoader("starter"), autoescape=True, undefined=StrictUndefined)
    style, script = (_asset(environment, f"batch.{suffix}") for suffix in ("css", "js"))
    return environment.get_template("batch.html").render(
        batch=title,
        cards=cards,
        counts=[(state, counts[state]) for state in _STATES if counts[state]],
        total=len(lines),
        made=clock(datetime.now(UTC)),
        links_end=clock(datetime.now(UTC) + options.presigned_for) if options.presigned_for else None,
        style=style,
        script=script,
        policy=_policy(style, script, cards),
    )


def _asset(environment: Environment, name: str) -> Markup:
    """A file of ours that stands in the page as it is."""
    return Markup(environment.get_template(name).render())  # noqa: S704 - nothing of anybody else is in it


def _policy(style: str, script: str, cards: Sequence[dict[str, Any]]) -> str:
    """What the page may load and run: its own style and script, and the videos. Whatever slipped in does nothing."""
    links = [urlsplit(card["src"]) for card in cards if card["src"]]
    hosts = {f"{link.scheme}://{link.netloc}" for link in links if link.netloc}
    media = " ".join(["'self'", "file:", *sorted(hosts)])
    return (
        f"default-src 'none'; img-src data:; media-src {media}; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


async def _card(outcome: LineOutcome, options: PageOptions) -> dict[str, Any]:
    request = as_input(outcome.line.input)["request"]
    request = request if isinstance(request, dict) else {}
    result, failure = outcome.result, outcome.failure
    return {
        "number": outcome.line.number,
        "state": outcome.state,
        "workflow_id": outcome.line.workflow_id,
        "prompt": redact(str(request.get("prompt", ""))),
        "thumbnail": await _thumbnail(result),
        "src": await _source(result, options) if result else None,
        "file": redact(unquote(result.video.uri).rpartition("/")[2]) if result else None,
        "facts": _facts(outcome, request),
        "places": _places(outcome),
        "failure": failure.kind if failure else None,
        "message": redact(failure.message) if failure else None,
        "problems": [redact(str(problem)) for problem in failure.details.problems] if failure else [],
        "next_step": failure.next_step if failure else None,
        "warnings": [redact(str(warning)) for warning in result.warnings] if result else [],
    }


def _facts(outcome: LineOutcome, request: dict[str, Any]) -> list[tuple[str, str]]:
    result = outcome.result
    facts: dict[str, Any] = {"model": request.get("model"), "phase": outcome.phase if not outcome.ended else None}
    if result:
        video = result.video
        facts["mode"] = result.mode.replace("_", " ")
        facts["video"] = f"{video.width}x{video.height}, {video.duration:.2f} s, {video.fps:g} fps, {size(video.bytes)}"
        facts["cost"] = None if result.provider.amount is None else f"{result.provider.amount:g}"
    if outcome.started and outcome.ended:
        facts["took"] = str(timedelta(seconds=round((outcome.ended - outcome.started).total_seconds())))
    return [(name, redact(str(value))) for name, value in facts.items() if value]


def _places(outcome: LineOutcome) -> list[tuple[str, str]]:
    places = {"run": outcome.line.workflow_id, "task": outcome.task_id}
    if outcome.result:
        places |= {"file": location(outcome.result.video.uri), "sha256": outcome.result.video.sha256}
    return [(name, redact(value)) for name, value in places.items() if value]


async def _thumbnail(result: VideoResult | None) -> str | None:
    """The poster as a data URL; None when there is none that can be read."""
    if result is None or result.preview is None:
        return None
    content = await read_small(result.preview.poster_uri, _POSTER_MOST)
    return await asyncio.to_thread(_reduced, content) if content else None


def _reduced(content: bytes) -> str | None:
    try:
        with Image.open(BytesIO(content), formats=["JPEG", "PNG"]) as image:
            image.draft("RGB", _THUMBNAIL)
            image.thumbnail(_THUMBNAIL)
            reduced = BytesIO()
            image.convert("RGB").save(reduced, "JPEG", quality=_QUALITY)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(reduced.getvalue()).decode()


async def _source(result: VideoResult, options: PageOptions) -> str | None:
    """What the page plays: a path relative to it for a file of this machine, a signed link where it was asked for."""
    parts = urlsplit(result.video.uri)
    if parts.scheme == "file":
        return await asyncio.to_thread(_relative, Path(unquote(parts.path)), options.folder)
    return await presign(result.video.uri, options.presigned_for) if options.presigned_for else None


def _relative(path: Path, folder: Path) -> str | None:
    return quote(os.path.relpath(path, folder.resolve())) if path.exists() else None
