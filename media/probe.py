"""What a medium behind a URL is, by its content, from a few of its bytes. What it is called and declared to be counts
for nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from media.demuxing import demux
from media.fetch import Fetcher
from media.image_header import ImageHeader, read_image_header
from media.remote_file import MediaUnreadable, NotExamined, RemoteFile

LARGEST = 500 * 1024 * 1024
"""Bytes. The vendor's page allows it for all videos of a request; so no single medium is larger."""
IMAGE_BYTES, RECORDING_BYTES = 256 * 1024, 2 * 1024 * 1024
"""At most so much of an image, and of a video or audio, is fetched and kept."""
IMAGE_END, RECORDING_END = 32 * 1024 * 1024, 64 * 1024 * 1024
"""Where the server gives no length, so much is read, and dropped, to find the end: more than the engine is reported
to take."""
SECONDS = 20.0
"""For one medium, from its turn on."""
_SLOWEST = 8 * 1024
"""Bytes per second. The provider fetches media too, and nobody knows how patiently."""
_LOOKS_AT_ONCE, _RECORDINGS_AT_ONCE = 24, 2
"""In one worker: what is fetched stays in memory meanwhile, and each recording has a process of up to 50 MB."""

_UNKNOWN = "is of an unknown kind"
_OTHERS = {
    "an HTML page": rb"\s*<(!doctype html|html|head|body|script)",
    "an SVG or XML file": rb"(\xef\xbb\xbf)?\s*<(\?xml|svg|[a-z]+>)",
    "a JSON document": rb"\s*[{\[]\s*[\"{\[\]}]",
    "a playlist": rb"#EXTM3U",
    "an AVIF or HEIC image": rb"....ftyp(avif|avis|heic|heix|mif1|msf1)",
    "a PDF": rb"%PDF",
    "a ZIP file": rb"PK\x03\x04",
    "a gzip file": rb"\x1f\x8b",
    "an icon": rb"\0\0\x01\0",
    "a Photoshop file": rb"8BPS",
}
_RECORDINGS = {
    "an MP4 or MOV": rb"....(ftyp|moov|mdat|wide)",
    "a WebM or Matroska": rb"\x1aE\xdf\xa3",
    "an AVI": rb"RIFF....AVI ",
    "a WAV": rb"RIFF....WAVE",
    "an MP3": rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]",
    "an Ogg file": rb"OggS",
}
"""What content of other kinds begins with, to be called by its name."""


@dataclass(frozen=True)
class ImageFacts:
    """An image."""

    header: ImageHeader
    bytes: int | None
    """None when the server does not say."""


@dataclass(frozen=True)
class RecordingFacts:
    """A video or an audio."""

    container: str
    """`mp4`, `mov`, `mp3`, `wav`, otherwise as FFmpeg calls it."""
    duration: float | None
    """Seconds; None when the file does not say."""
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    bytes: int | None


class Prober:
    """Looks at media through the worker's guarded fetcher.

    Each look raises MediaUnreadable, which is a finding, as a drip and a body without end are; FetchRefused; and
    FetchFailed or NotExamined, after which nothing is known. It takes at most SECONDS, of a recording twice that, and
    nothing of it goes on when it is cancelled.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._recordings = asyncio.Semaphore(_RECORDINGS_AT_ONCE)

    async def image(self, url: str) -> ImageFacts:
        """A jpeg, png, webp, bmp, tiff or gif."""
        file = RemoteFile(self._fetcher, url, IMAGE_BYTES)
        async with self._looks, _in_time(file):
            await _begin(file)
            header = await read_image_header(file)
            if header is None:
                raise MediaUnreadable(f"{await _content(file, _OTHERS | _RECORDINGS)}, not an image")
            await file.find_end(IMAGE_END)
        return ImageFacts(header, file.length)

    async def recording(self, url: str) -> RecordingFacts:
        """A video or an audio: its codecs tell which."""
        file = RemoteFile(self._fetcher, url, RECORDING_BYTES)
        async with self._looks, _in_time(file):
            await _begin(file)  # a slow server shows here, before it takes a process's place
            if header := await read_image_header(file):
                raise MediaUnreadable(f"is a {header.format} image, not a video or audio")
            if (content := await _content(file, _OTHERS)) != _UNKNOWN:
                raise MediaUnreadable(f"{content}, not a video or audio")
        async with self._recordings, _in_time(file):
            found = await demux(file)
            await file.find_end(RECORDING_END)
            return _recording(found, file)


async def _begin(file: RemoteFile) -> None:
    """Fetch the first block."""
    await file.read(0, 1)
    if file.length is not None and file.length > LARGEST:
        raise MediaUnreadable(f"has {file.length / 1024**2:.0f} MB", f"give one of at most {LARGEST // 1024**2} MB")


@asynccontextmanager
async def _in_time(file: RemoteFile) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        # Half of the time, because a worker that is overloaded is slow as well.
        if file.fetched and file.seconds > SECONDS / 2 and file.fetched < file.seconds * _SLOWEST:
            came = f"only {file.fetched} bytes came in {file.seconds:.0f} s"
            raise MediaUnreadable(f"comes too slowly: {came}", "put it on a faster server") from None
        raise NotExamined(f"could not be looked at within {SECONDS:.0f} s") from None


async def _content(file: RemoteFile, known: dict[str, bytes]) -> str:
    """What else a file is."""
    head = await file.read(0, 512)
    if not head:
        return "is empty"
    kinds = (name for name, magic in known.items() if re.match(magic, head, re.DOTALL | re.IGNORECASE))
    return f"is {name}" if (name := next(kinds, None)) else _UNKNOWN


def _recording(found: dict[str, Any], file: RemoteFile) -> RecordingFacts:
    if reason := found.get("error"):
        raise MediaUnreadable(f"cannot be read as a video or audio: {reason}")
    if file.length is not None and found["end"] > file.length:
        there = f"{file.length} of at least {found['end']} bytes are there"
        raise MediaUnreadable(f"is cut off: {there}", "upload it again, whole")
    container = found["container"]
    if "mp4" in container.split(","):
        container = "mov" if found["brand"].strip() == "qt" else "mp4"
    return RecordingFacts(
        container=container,
        duration=found["duration"],
        video_codec=found["video"],
        audio_codec=found["audio"],
        width=found["width"],
        height=found["height"],
        bytes=file.length,
    )
