"""A poster and a contact sheet of a video, both JPEG. Used by `examine.py`, in its process.

Twelve frames stand for the video: of each twelfth of its time the key frame nearest to the middle, which is the
cheapest to decode, or the middle itself where there is none. All of them, with their times, are the contact sheet. The
poster is the one with the most detail, by the entropy of its brightness, among those that are neither black nor blank;
a video that has only such frames gets the best of them all the same.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont, ImageStat

POSTER_SIDE = 1280
"""Pixels of the longer side, at most."""
_CELL_SIDE, _COLUMNS, _FRAMES = 320, 4, 12
_GAP = 4
_BACKGROUND = (24, 24, 24)
_QUALITY = 85
_DARK, _LIT = 32, 0.02
"""A frame is black unless this share of its pixels is brighter than this, of 255."""
_BLANK = 4.0
"""A frame is blank when the brightness of its pixels deviates by less, of 255."""
_UNSPECIFIED, _HD = 2, 720
"""Untagged colours are BT.709 from this height on, as players take them to be."""

_FONT = ImageFont.load_default(18)
Image.preinit()  # loads the JPEG encoder, while files can be opened


def draw(container: InputContainer, stream: VideoStream, keys: Sequence[int], end: int) -> tuple[bytes, bytes]:
    """The poster and the contact sheet of a stream that is `end` ticks long, with its key frames at `keys`.

    Raises av.FFmpegError when a frame cannot be decoded, ValueError when there is none.
    """
    stream.codec_context.skip_frame = "NONREF"  # half of the work, and no other frame needs those that are left out
    cells: list[Image.Image] = []
    best, merit = None, (False, -1.0)
    for seconds, frame in _sampled(container, stream, keys, end):
        cell = _image(frame, _CELL_SIDE)
        if (found := _merit(cell)) > merit:
            best, merit = frame, found
        cells.append(_marked(cell, seconds))
    if best is None:
        raise ValueError("no frame of it can be decoded")
    return _jpeg(_image(best, POSTER_SIDE)), _jpeg(_sheet(cells))


def _sampled(
    container: InputContainer, stream: VideoStream, keys: Sequence[int], end: int
) -> Iterator[tuple[float, VideoFrame]]:
    """At most one frame of each part, with its time in seconds. It decodes on where that is nearer than a key frame."""
    start, tick = stream.start_time or 0, float(stream.time_base or 0)
    decoded: Iterator[VideoFrame] = iter(())
    at = -1
    for part in range(_FRAMES):
        wanted = _wanted(keys, end, part)
        if at >= wanted:
            continue
        key = max((key for key in keys if key <= wanted), default=0)
        if key > at:
            container.seek(start + key, stream=stream)
            decoded = container.decode(stream)
        for frame in decoded:
            at = at if frame.pts is None else frame.pts - start
            if at >= wanted:
                yield at * tick, frame
                break


def _wanted(keys: Sequence[int], end: int, part: int) -> int:
    first, middle, last = (end * (2 * part + more) // (2 * _FRAMES) for more in (0, 1, 2))
    return min((key for key in keys if first <= key < last), key=lambda key: abs(key - middle), default=middle)


def _image(frame: VideoFrame, side: int) -> Image.Image:
    scale = min(1.0, side / max(frame.width, frame.height))
    untagged = frame.colorspace == _UNSPECIFIED and min(frame.width, frame.height) >= _HD
    image: Image.Image = frame.to_image(  # type: ignore[no-untyped-call]  # PyAV has no types for it
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        src_colorspace=Colorspace.ITU709 if untagged else None,
        threads=1,
    )
    return image


def _merit(image: Image.Image) -> tuple[bool, float]:
    """Whether it is neither black nor blank, and how much it shows."""
    grey = image.convert("L")
    lit = sum(grey.histogram()[_DARK:]) >= _LIT * grey.width * grey.height
    return lit and ImageStat.Stat(grey).stddev[0] >= _BLANK, grey.entropy()


def _marked(image: Image.Image, seconds: float) -> Image.Image:
    pen = ImageDraw.Draw(image)
    text = f"{int(seconds) // 60}:{seconds % 60:04.1f}"
    _, _, right, bottom = pen.textbbox((_GAP, _GAP), text, font=_FONT)
    pen.rectangle((0, 0, right + _GAP, bottom + _GAP), fill="black")
    pen.text((_GAP, _GAP), text, fill="white", font=_FONT)
    return image


def _sheet(cells: list[Image.Image]) -> Image.Image:
    width, height = (max(cell.size[side] for cell in cells) + _GAP for side in (0, 1))
    columns = min(_COLUMNS, len(cells))
    sheet = Image.new("RGB", (columns * width + _GAP, -(-len(cells) // columns) * height + _GAP), _BACKGROUND)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        sheet.paste(cell, (_GAP + column * width, _GAP + row * height))
    return sheet


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
