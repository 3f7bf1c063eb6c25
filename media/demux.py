"""What a video or audio file holds, read by FFmpeg's libraries: run by `confined.py`, with the length as its argument.

It imports nothing of ours and reads through whoever started it: `R` with offset and size asks for bytes, which come
with their count before them; `F` with a count and JSON is the end.
"""

import json
import os
import struct
from io import SEEK_CUR, SEEK_END, UnsupportedOperation
from typing import Any

import av
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV imports these when it meets subtitles, and then no file can be opened any more
from av.stream import Disposition, Stream

MEMORY = 16 * 1024 * 1024
"""Bytes that a file may make FFmpeg take."""
SECONDS = 2
"""Of processor time."""
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,mp3,wav,w64,aac,ogg,flac,aiff,caf,amr"
"""FFmpeg's demuxers for what people call videos and audios: no playlists, which lead elsewhere, and no pictures."""
_READ = 64 * 1024


class _AskedFor:
    """The file as whoever started this process hands it out. `length` 0 stands for an unknown one."""

    def __init__(self, length: int) -> None:
        self._length, self._at = length, 0

    def seekable(self) -> bool:
        return self._length > 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._length:
            raise UnsupportedOperation
        base = {SEEK_CUR: self._at, SEEK_END: self._length}.get(whence, 0)
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int) -> bytes:
        os.write(1, b"R" + struct.pack(">QI", self._at, size))
        (count,) = struct.unpack(">I", _exactly(4))
        self._at += count
        return _exactly(count)


def _exactly(size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = os.read(0, size - len(content))
        if not part:
            os._exit(1)  # whoever asked is gone
        content += part
    return content


def _describe(length: int) -> dict[str, Any]:
    with av.open(
        _AskedFor(length),
        "r",
        options={"probesize": str(_READ)},
        container_options={"format_whitelist": FORMATS, "codec_whitelist": "none"},  # nothing is decoded
        buffer_size=_READ,
    ) as container:
        video = next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)
        audio = next(iter(container.streams.audio), None)
        streams = [stream for stream in (video, audio) if stream]
        if not streams or not next(container.demux(streams)).size:
            return {"error": "it holds nothing that could be played"}
        return {
            "container": container.format.name,
            "brand": container.metadata.get("major_brand", ""),
            "duration": (container.duration or 0) / av.time_base or max(map(_seconds, streams), default=0) or None,
            "video": video.codec_context.name if video else None,
            "audio": audio.codec_context.name if audio else None,
            "width": video.width if video else None,
            "height": video.height if video else None,
            "end": max(map(_end, streams), default=0),
        }


def _seconds(stream: Stream) -> float:
    return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0


def _end(stream: Stream) -> int:
    """Where in the file the last frame ends that the index knows; 0 without an index."""
    entries = stream.index_entries
    last = entries[len(entries) - 1] if len(entries) else None
    return last.pos + last.size if last else 0


def main(arguments: list[str]) -> None:
    """Describe the file as JSON: the facts, or `error` in FFmpeg's words."""
    try:
        answer = _describe(int(arguments[0]))
    except (av.FFmpegError, ValueError, ArithmeticError, UnicodeError) as error:
        answer = {"error": getattr(error, "strerror", None) or type(error).__name__}
    text = json.dumps(answer).encode()
    os.write(1, b"F" + struct.pack(">I", len(text)) + text)
