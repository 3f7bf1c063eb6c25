"""What a finished video holds, read to its last packet, and pictures of it: run by `confined.py`, the file as standard
input, with `pictures` as its argument where they are wanted.

It says, each with a count of bytes before the content: `F` and the facts as JSON, or `I` and why it is no video; then,
if they are wanted, `P` and the poster and `S` and the contact sheet, or `X` and why there are none. `U` and why, in
place of the facts, when the disk does not give the file's bytes: that is no word about the video.
"""

import json
import struct
import sys
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from media.demux import FORMATS
from media.pictures import draw

MEMORY = 512 * 1024 * 1024
"""Bytes that a file may make FFmpeg take. With its pictures, 4K takes 160 MiB as H.264, 240 with the most references
that H.264 knows, 280 as 10-bit HEVC."""
SECONDS = 120
"""Of processor time. With its pictures, 15 s of 4K take 2 s where key frames are 10 s apart."""
_OPENING = {"format_whitelist": FORMATS, "codec_whitelist": "none"}
"""FFmpeg would decode a few frames while it is opened, to make sure of what the container tells."""
_SLACK = 0.5
"""Seconds that may be missing at the end."""


class _Watched:
    """A file that remembers what kept it from being read: FFmpeg takes that for the file's end."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            self.error = error
            raise


class _NoVideo(Exception):
    """The file is no video, or not whole."""


@dataclass
class _Read:
    """What all packets of the stream told. Times are in the stream's time base, from the stream's start on."""

    packets: int = 0
    end: int = 0
    keys: list[int] = field(default_factory=list)
    """Where its key frames are."""


def main(arguments: list[str]) -> None:
    """Read it, and draw it."""
    with open(0, "rb", buffering=0) as opened:
        file = _Watched(opened)
        try:
            container = av.open(file, "r", container_options=_OPENING)
            stream = _stream(container)
            read = _read_packets(container, stream)
            kind, said = b"F", json.dumps(_facts(container, stream, read))
        except MemoryError:
            raise  # which ends the process: what a file takes too much of is no word of FFmpeg's
        except (av.FFmpegError, ValueError, ArithmeticError, OSError) as error:
            kind, said = b"I", f"the file cannot be read as a video: {_reason(error)}"
        except _NoVideo as error:
            kind, said = b"I", str(error)
        if file.error:
            kind, said = b"U", _reason(file.error)
        _say(kind, said.encode())
        if kind == b"F" and "pictures" in arguments:
            _draw(container, stream, read)


def _draw(container: InputContainer, stream: VideoStream, read: _Read) -> None:
    try:
        poster, sheet = draw(container, stream, read.keys, read.end)
    except (av.FFmpegError, ValueError, ArithmeticError, OSError, MemoryError) as error:
        _say(b"X", _reason(error).encode())
        return
    _say(b"P", poster)
    _say(b"S", sheet)


def _say(kind: bytes, content: bytes) -> None:
    sys.stdout.buffer.write(kind + struct.pack(">I", len(content)) + content)
    sys.stdout.buffer.flush()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _stream(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise _NoVideo(f"the file is {container.format.name} without a video stream")
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # each more takes frames of its own, and a stack
    return stream


def _read_packets(container: InputContainer, stream: VideoStream) -> _Read:
    """Read every packet of the stream; decode its first and its last key frame."""
    read, first_decoded, start = _Read(), False, stream.start_time or 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise _NoVideo(f"packet {read.packets} of the video is corrupt")
        read.packets += 1
        if packet.pts is not None:
            read.end = max(read.end, packet.pts + (packet.duration or 0) - start)
            if packet.is_keyframe:
                read.keys.append(packet.pts - start)
        if not first_decoded:
            first_decoded = bool(packet.decode())
    if not read.packets:
        raise _NoVideo("the video stream holds no frames")
    if read.keys:
        container.seek(read.keys[-1] + start, stream=stream)
        if next(iter(container.decode(stream)), None) is None:
            raise _NoVideo("the last key frame of the video cannot be decoded")
    return read


def _facts(container: InputContainer, stream: VideoStream, read: _Read) -> dict[str, Any]:
    end = _seconds(read.end, stream)
    declared = _seconds(stream.duration, stream) or (container.duration or 0) / av.time_base
    if stream.frames and read.packets < stream.frames:
        raise _NoVideo(f"the file ends early: {read.packets} of {stream.frames} frames can be read")
    if end < declared - _SLACK:
        raise _NoVideo(f"the file ends early: {end:.2f} s of {declared:.2f} s can be read")
    return {
        "container": "mp4" if "mp4" in container.format.name.split(",") else container.format.name,
        "codec": stream.codec_context.name,
        "width": stream.width,
        "height": stream.height,
        "fps": round(float(stream.average_rate or 0), 3),
        "duration": round(end, 3),
        "has_audio": bool(container.streams.audio),
    }


def _seconds(ticks: int | None, stream: VideoStream) -> float:
    return float(ticks * stream.time_base) if ticks and stream.time_base else 0.0
