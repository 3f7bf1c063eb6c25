"""Is this file the video that was paid for? Read by `examine.py`, in a process of its own, to the last packet."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from media.confinement import ConfinedProcess, LimitsBroken, NotConfined, confined
from media.storage import OutputUnavailable

_DURATION_TOLERANCE = 0.5
"""Seconds. A live sample of 5 s had 5.04 s of video and 5.06 s of audio."""
_ASPECT_TOLERANCE = 0.12
"""Relative. The same sample was 1256x720 for 16:9."""
_AREA_TOLERANCE = 2.0
"""Factor. Tells 720p from 1080p (2.25), and leaves room for another convention of sizes at odd ratios."""
_PIXELS = {"720p": 1280 * 720, "1080p": 1920 * 1080, "2k": 2560 * 1440, "4k": 3840 * 2160}

_PROGRAM = "media.examine"
_AT_ONCE = 2
_PATIENCE = 15 * 60.0
"""Seconds for the file, and for its pictures, on a slow disk; the limit of processor time comes long before."""
_MOST_TEXT, _MOST_PICTURE = 4 * 1024, 8 * 1024 * 1024
"""Bytes of what the process says."""


class VideoInvalid(Exception):
    """The file is no playable video, or not the one that was asked for."""


class VideoFacts(BaseModel):
    """Facts read from the file itself."""

    container: str
    codec: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    fps: float
    duration: float
    """Seconds, of the video stream."""
    has_audio: bool


@dataclass(frozen=True)
class Expected:
    """What the request makes plausible. None means: not to be judged by."""

    resolution: str
    """`720p`, `1080p`, `2k`, `4k`; any other is not judged."""
    ratio: str | None
    """`16:9` and so on; None where the picture given decides (first and last frame)."""
    durations: tuple[float, ...]
    """Seconds; one of them must be about right. Empty: not judged."""


@dataclass(frozen=True)
class Pictures:
    """Two JPEGs."""

    poster: bytes
    contact_sheet: bytes


@dataclass(frozen=True)
class Verified:
    """A video that is what was asked for."""

    facts: VideoFacts
    pictures: Pictures | str | None
    """Or why there are none; None when they were not wanted."""


class Verifier:
    """Checks files, a few at once: each has a process that may take half a gigabyte."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def verify(self, path: Path, expected: Expected, *, pictures: bool = False) -> Verified:
        """Check the file, and draw pictures of it. Raises VideoInvalid; NotConfined and OutputUnavailable when it
        cannot be checked now, which says nothing about it."""
        async with self._turns:
            with path.open("rb", buffering=0) as file:
                async with confined(_PROGRAM, *["pictures"] * pictures, stdin=file) as process:
                    facts = await _facts(process, path)
                    _compare(facts, expected)
                    return Verified(facts, await _pictures(process) if pictures else None)


async def _facts(process: ConfinedProcess, path: Path) -> VideoFacts:
    try:
        async with asyncio.timeout(_PATIENCE):
            kind, content = await process.read(1), await process.block(_MOST_TEXT)
        if kind == b"F":
            return VideoFacts.model_validate_json(content)
    except TimeoutError:
        raise NotConfined(f"the file could not be read within {_PATIENCE:.0f} s") from None
    except LimitsBroken:
        reason = "it is made so that reading it takes too much memory or time"
        raise VideoInvalid(f"the file cannot be read as a video: {reason}") from None
    except ValidationError:
        raise VideoInvalid("the file cannot be read as a video: its size or length makes no sense") from None
    said = content.decode(errors="replace")
    if kind == b"U":
        raise OutputUnavailable(f"{path} cannot be read: {said}")
    raise VideoInvalid(said)


async def _pictures(process: ConfinedProcess) -> Pictures | str:
    try:
        async with asyncio.timeout(_PATIENCE):
            kind, content = await process.read(1), await process.block(_MOST_PICTURE)
            if kind == b"P" and await process.read(1) == b"S":
                return Pictures(content, await process.block(_MOST_PICTURE))
            return content[:_MOST_TEXT].decode(errors="replace")
    except LimitsBroken:
        return "that takes too much memory or time"
    except (NotConfined, TimeoutError) as error:
        return str(error) or f"it took longer than {_PATIENCE:.0f} s"


def _compare(facts: VideoFacts, expected: Expected) -> None:
    if expected.durations and all(
        abs(facts.duration - seconds) > _DURATION_TOLERANCE for seconds in expected.durations
    ):
        wanted = " or ".join(dict.fromkeys(f"{seconds:g} s" for seconds in expected.durations))
        raise VideoInvalid(f"the video lasts {facts.duration:.2f} s where {wanted} were expected")
    size = f"{facts.width}x{facts.height}"
    if pixels := _PIXELS.get(expected.resolution):
        factor = facts.width * facts.height / pixels
        if not 1 / _AREA_TOLERANCE < factor < _AREA_TOLERANCE:
            raise VideoInvalid(f"the video is {size}, which is not {expected.resolution}")
    if expected.ratio:
        across, down = map(int, expected.ratio.split(":"))
        if abs(math.log(facts.width / facts.height / (across / down))) > math.log1p(_ASPECT_TOLERANCE):
            raise VideoInvalid(f"the video is {size}, which is not {expected.ratio}")
