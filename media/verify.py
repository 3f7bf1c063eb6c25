"""Is this file the video that was paid for? Read with FFmpeg's libraries, to the last packet."""

import math
from dataclasses import dataclass
from pathlib import Path

import av
from av.video.stream import VideoStream
from pydantic import BaseModel

_DURATION_TOLERANCE = 0.5
"""Seconds. A live sample of 5 s had 5.04 s of video and 5.06 s of audio."""
_ASPECT_TOLERANCE = 0.12
"""Relative. The same sample was 1256x720 for 16:9."""
_AREA_TOLERANCE = 2.0
"""Factor. Tells 720p from 1080p (2.25), and leaves room for another convention of sizes at odd ratios."""
_PIXELS = {"720p": 1280 * 720, "1080p": 1920 * 1080, "2k": 2560 * 1440, "4k": 3840 * 2160}


class VideoInvalid(Exception):
    """The file is no playable video, or not the one that was asked for."""


class VideoFacts(BaseModel):
    """Facts read from the file itself."""

    container: str
    codec: str
    width: int
    height: int
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


def verify(path: Path, expected: Expected) -> VideoFacts:
    """Check the file and return its facts. Blocking: call it in a thread. Raises VideoInvalid."""
    try:
        facts = _read(path)
    except (av.FFmpegError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or str(error).replace(str(path), path.name)
        raise VideoInvalid(f"the file cannot be read as a video: {reason}") from None
    _compare(facts, expected)
    return facts


def _read(path: Path) -> VideoFacts:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise VideoInvalid(f"the file is {container.format.name} without a video stream")
        stream = container.streams.video[0]
        packets, end = _read_packets(container, stream)
        declared = _seconds(stream.duration, stream) or (container.duration or 0) / av.time_base
        if stream.frames and packets < stream.frames:
            raise VideoInvalid(f"the file ends early: {packets} of {stream.frames} frames can be read")
        if end < declared - _DURATION_TOLERANCE:
            raise VideoInvalid(f"the file ends early: {end:.2f} s of {declared:.2f} s can be read")
        return VideoFacts(
            container="mp4" if "mp4" in container.format.name.split(",") else container.format.name,
            codec=stream.codec_context.name,
            width=stream.width,
            height=stream.height,
            fps=round(float(stream.average_rate or 0), 3),
            duration=round(end, 3),
            has_audio=bool(container.streams.audio),
        )


def _read_packets(container: av.container.InputContainer, stream: VideoStream) -> tuple[int, float]:
    """Read every packet of the stream; decode its first and its last key frame. How many there are, and the end."""
    count, end, first_decoded = 0, 0.0, False
    last_key: int | None = None
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise VideoInvalid(f"packet {count} of the video is corrupt")
        count += 1
        if packet.pts is not None:
            end = max(end, _seconds(packet.pts + (packet.duration or 0) - (stream.start_time or 0), stream))
            last_key = packet.pts if packet.is_keyframe else last_key
        if not first_decoded:
            first_decoded = bool(packet.decode())
    if not count:
        raise VideoInvalid("the video stream holds no frames")
    if last_key is not None:
        container.seek(last_key, stream=stream)
        if next(iter(container.decode(stream)), None) is None:
            raise VideoInvalid("the last key frame of the video cannot be decoded")
    return count, end


def _seconds(ticks: int | None, stream: VideoStream) -> float:
    return float(ticks * stream.time_base) if ticks and stream.time_base else 0.0


def _compare(facts: VideoFacts, expected: Expected) -> None:
    if expected.durations and all(
        abs(facts.duration - seconds) > _DURATION_TOLERANCE for seconds in expected.durations
    ):
        wanted = " or ".join(f"{seconds:g} s" for seconds in expected.durations)
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
