"""Real MP4 files, cheaply: H.264 at 24 frames per second with an AAC track, the order written into the picture.

The picture stands still but for a frame counter and a line that grows, which the encoder turns into a few bytes: 15 s
of 4K take a few seconds of one core. The texts use the font that comes with Pillow, which has Latin letters only.
"""

import hashlib
import math
from array import array
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.plane import VideoPlane
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont, ImageOps

from manxue.vocabulary import resolution

FRAME_RATE = 24
_SAMPLE_RATE = 48_000
_TONE = 480
"""Hz; divides the sample rate, so that one second is a whole number of periods."""
_PIXELS = {"720p": 1280 * 720, "1080p": 1920 * 1080, "2k": 2560 * 1440, "4k": 3840 * 2160}
"""The picture's area, whatever its shape."""

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def frame_size(model: str, ratio: str) -> tuple[int, int]:
    """Width and height in pixels, both multiples of eight."""
    across, down = map(int, ratio.split(":"))
    width = math.sqrt(_PIXELS[resolution(model)] * across / down)
    return round(width / 8) * 8, round(width * down / across / 8) * 8


def render(path: Path, *, model: str, ratio: str, duration: int, prompt: str, pictures: list[bytes]) -> None:
    """Write `duration` seconds of video to `path`; each of `pictures` fills an equal share of the time. Blocks."""
    size = frame_size(model, ratio)
    caption = f"{model}  {ratio}  {duration} s\n{prompt}"
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.options = {"preset": "ultrafast", "g": str(FRAME_RATE)}
        sound = container.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        for number, frame in enumerate(_frames(size, duration * FRAME_RATE, caption, pictures)):
            if number % FRAME_RATE == 0:
                _mux_second(container, sound, number // FRAME_RATE)
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        _flush(container, video, sound)


def _flush(container: av.container.OutputContainer, *streams: VideoStream | AudioStream) -> None:
    for stream in streams:
        container.mux(stream.encode(None))


def _frames(size: tuple[int, int], count: int, caption: str, pictures: list[bytes]) -> Iterator[av.VideoFrame]:
    """One frame for each scene, with ever other numbers in it: copying it would cost as much as encoding it."""
    scenes = max(len(pictures), 1)
    for scene in range(scenes):
        backdrop = _covering(pictures[scene], size) if pictures else _gradient(size, caption)
        image = av.VideoFrame.from_image(_captioned(backdrop, caption))  # type: ignore[no-untyped-call]  # as PyAV has it
        frame: av.VideoFrame = image.reformat(format="yuv420p")
        for number in range(-(-scene * count // scenes), -(-(scene + 1) * count // scenes)):
            frame.make_writable()  # the encoder may still hold it
            _paste_counter(frame.planes[0], number, count)
            yield frame


def _covering(picture: bytes, size: tuple[int, int]) -> Image.Image:
    with Image.open(BytesIO(picture)) as image:
        return ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), size)


def _gradient(size: tuple[int, int], seed: str) -> Image.Image:
    """Two colours that follow from the text, so that different orders look different."""
    hues = hashlib.sha256(seed.encode()).digest()
    top, bottom = (tuple(40 + byte // 2 for byte in hues[at : at + 3]) for at in (0, 3))
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)


def _captioned(image: Image.Image, caption: str) -> Image.Image:
    letter = max(min(image.size) // 24, 12)
    font = _font(letter)
    draw = ImageDraw.Draw(image)
    text = "\n".join(_wrapped(caption, draw, font, image.width - 2 * letter))
    draw.multiline_text((letter, letter), text, "white", font, stroke_width=letter // 12, stroke_fill="black")
    return image


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _wrapped(caption: str, draw: ImageDraw.ImageDraw, font: _Font, width: int) -> list[str]:
    """At most eight lines that fit; a prompt can be any length."""
    lines: list[str] = []
    for paragraph in caption[:600].splitlines():
        line = ""
        for word in paragraph.split():
            if line and draw.textlength(f"{line} {word}", font) > width:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
        lines.append(line)
    return lines[:8]


def _paste_counter(plane: VideoPlane, number: int, count: int) -> None:
    """Write the frame number into the lower left corner, and a line along the lower edge up to where time is."""
    width, height, line, luma = plane.width, plane.height, plane.line_size, memoryview(plane)
    letter = max(min(width, height) // 16, 16)
    patch = Image.new("L", (letter * 8, letter * 3 // 2), 16)
    ImageDraw.Draw(patch).text((letter // 4, 0), f"{number + 1} / {count}", 235, _font(letter))
    left, top = letter // 2, height - 3 * letter
    content = patch.tobytes()
    for row in range(patch.height):
        start = (top + row) * line + left
        luma[start : start + patch.width] = content[row * patch.width : (row + 1) * patch.width]
    done = width * (number + 1) // count
    for row in range(height - letter // 4, height):
        luma[row * line : row * line + done] = b"\xeb" * done


def _mux_second(container: av.container.OutputContainer, stream: AudioStream, second: int) -> None:
    """One second of a quiet tone."""
    period = _SAMPLE_RATE // _TONE
    wave = array("h", (round(1500 * math.sin(2 * math.pi * at / period)) for at in range(period)))
    frame = av.AudioFrame(format="s16", layout="mono", samples=_SAMPLE_RATE)
    frame.planes[0].update(wave.tobytes() * _TONE)
    frame.sample_rate, frame.time_base = _SAMPLE_RATE, Fraction(1, _SAMPLE_RATE)
    frame.pts = second * _SAMPLE_RATE
    container.mux(stream.encode(frame))
