"""What an image's header says: format, size, movement. No pixel is decoded, so no size of an image can do harm.

Read from a few ranges, wherever they lie, which Pillow cannot: it wants a WebP whole, a TIFF's directory at its
beginning, and all the text of a PNG before its pixels.
"""

import re
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from media.remote_file import MediaUnreadable, NotExamined, RemoteFile

_TAIL = 4096
_END = {"png": b"IEND", "jpeg": b"\xff\xd9"}
_MOST_PARTS = 2000
"""Segments, chunks and blocks that are looked at."""
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
"""Tags of TIFF and EXIF."""
_INTEGERS = {3: "H", 4: "I", 16: "Q"}
"""Types of TIFF's values that a tag of ours can have."""


@dataclass(frozen=True)
class ImageHeader:
    """As the image is shown: turned as its EXIF orientation says."""

    format: str
    """`jpeg`, `png`, `webp`, `bmp`, `tiff`, `gif`."""
    width: int
    height: int
    animated: bool = False
    cut_off: bool = False
    """Whether a jpeg lacks its end marker near its end; what follows it there can be something else."""


async def read_image_header(file: RemoteFile) -> ImageHeader | None:
    """None for what is none of the six formats. Raises MediaUnreadable for a broken one, and what `file` raises."""
    head = await file.read(0, 16)
    for name, (magic, read) in _FORMATS.items():
        if re.match(magic, head, re.DOTALL):
            try:
                width, height, orientation, animated = await read(file)
            except struct.error:
                raise MediaUnreadable(f"is a {name} with a broken header") from None
            if width < 1 or height < 1:
                raise MediaUnreadable(f"is a {name} without a size")
            ends = await _has_end(file, name)
            if not ends and name != "jpeg":
                raise MediaUnreadable(f"is a {name} that is cut off", "upload it again, whole")
            turned = 5 <= orientation <= 8
            return ImageHeader(name, height if turned else width, width if turned else height, animated, not ends)
    return None


async def _has_end(file: RemoteFile, name: str) -> bool:
    """Whether the format's mark of its end is in the last kilobytes; True where that cannot be seen."""
    if file.length is None:
        return True
    with suppress(NotExamined):
        if name == "webp":
            (size,) = struct.unpack("<I", await file.exactly(4, 4))
            return bool(size + 8 <= file.length)
        if mark := _END.get(name):
            return mark in await file.read(max(0, file.length - _TAIL), _TAIL)
    return True


_Found = tuple[int, int, int, bool]
"""Width, height, EXIF orientation, animated."""


async def _jpeg(file: RemoteFile) -> _Found:
    at, orientation = 2, 1
    for _ in range(_MOST_PARTS):
        ff, marker, length = struct.unpack(">BBH", await file.exactly(at, 4))
        if ff != 0xFF or marker in (0xD9, 0xDA):
            break
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without content
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", await file.exactly(at + 5, 4))
            return width, height, orientation, False
        else:
            if marker == 0xE1 and await file.read(at + 4, 6) == b"Exif\0\0":
                orientation = await _orientation(file, at + 10)
            at += 2 + length
    raise MediaUnreadable("is a jpeg with a broken header")


async def _png(file: RemoteFile) -> _Found:
    width, height = struct.unpack(">II", await file.exactly(16, 8))
    at, orientation, animated = 8, 1, False
    with suppress(NotExamined, MediaUnreadable):  # the size is known; texts can be long
        for _ in range(_MOST_PARTS):
            length, kind = struct.unpack(">I4s", await file.exactly(at, 8))
            if kind in (b"IDAT", b"IEND"):
                break
            animated = animated or kind == b"acTL"
            if kind == b"eXIf":
                orientation = await _orientation(file, at + 8)
            at += 12 + length
    return width, height, orientation, animated


async def _webp(file: RemoteFile) -> _Found:
    head = await file.exactly(12, 18)
    if head[:4] == b"VP8 ":
        width, height = struct.unpack("<HH", head[14:18])
        return width & 0x3FFF, height & 0x3FFF, 1, False
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1, False
    if head[:4] != b"VP8X":
        raise MediaUnreadable("is a webp with a broken header")
    orientation, at = 1, 12
    if head[8] & 8:  # has EXIF, which lies behind the pixels
        with suppress(NotExamined, MediaUnreadable):
            for _ in range(_MOST_PARTS):
                kind, length = struct.unpack("<4sI", await file.exactly(at, 8))
                if kind == b"EXIF":
                    skip = 6 if await file.read(at + 8, 6) == b"Exif\0\0" else 0
                    orientation = await _orientation(file, at + 8 + skip)
                    break
                at += 8 + length + length % 2
    width, height = (int.from_bytes(head[i : i + 3], "little") + 1 for i in (12, 15))
    return width, height, orientation, bool(head[8] & 2)


async def _gif(file: RemoteFile) -> _Found:
    width, height, flags = struct.unpack("<HHB", await file.exactly(6, 5))
    at, pictures, loops = 13 + _palette(flags), 0, False
    with suppress(NotExamined, MediaUnreadable):  # the first picture can be long
        for _ in range(_MOST_PARTS):
            block = await file.exactly(at, 1)
            if block == b"\x2c":
                pictures += 1
                if pictures > 1:
                    break
                at += 11 + _palette((await file.exactly(at + 9, 1))[0])
            elif block == b"\x21":
                loops = loops or await file.read(at + 2, 12) == b"\x0bNETSCAPE2.0"
                at += 2
            else:
                return width, height, 1, False
            while size := (await file.exactly(at, 1))[0]:
                at += 1 + size
            at += 1
    return width, height, 1, pictures > 1 or loops


def _palette(flags: int) -> int:
    """Bytes of the colour table that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


async def _bmp(file: RemoteFile) -> _Found:
    (size,) = struct.unpack("<I", await file.exactly(14, 4))
    if size == 12:  # OS/2
        width, height = struct.unpack("<HH", await file.exactly(18, 4))
    elif 16 <= size <= 124:
        width, height = struct.unpack("<ii", await file.exactly(18, 8))
    else:
        raise MediaUnreadable("is a bmp with a broken header")
    return width, abs(height), 1, False  # negative: from the top down


async def _tiff(file: RemoteFile) -> _Found:
    tags = await _tags(file, 0)
    return tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), tags.get(_ORIENTATION, 1), False


async def _orientation(file: RemoteFile, at: int) -> int:
    """As the EXIF block at `at` says; a broken one is not worth refusing the image."""
    with suppress(MediaUnreadable, NotExamined, struct.error):
        return (await _tags(file, at)).get(_ORIENTATION, 1)
    return 1


async def _tags(file: RemoteFile, base: int) -> dict[int, int]:
    """The whole numbers in the first directory of a TIFF, or of an EXIF block, which is one."""
    head = await file.read(base, 16)
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\0", b"\0+"):  # BigTIFF
        (at,), (counts, size, value) = struct.unpack(f"{order}Q", head[8:16]), ("Q", 20, 12)
    else:
        (at,), (counts, size, value) = struct.unpack(f"{order}I", head[4:8]), ("H", 12, 8)
    first = base + at + struct.calcsize(counts)
    (count,) = struct.unpack(order + counts, await file.exactly(base + at, struct.calcsize(counts)))
    entries = await file.read(first, min(count, 500) * size)
    found = {}
    for i in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", entries, i)
        if tag in (_WIDTH, _HEIGHT, _ORIENTATION) and kind in _INTEGERS:
            (found[tag],) = struct.unpack_from(order + _INTEGERS[kind], entries, i + value)
    return found


_FORMATS: dict[str, tuple[bytes, Callable[[RemoteFile], Awaitable[_Found]]]] = {
    "jpeg": (rb"\xff\xd8\xff", _jpeg),
    "png": (rb"\x89PNG\r\n\x1a\n....IHDR", _png),
    "webp": (rb"RIFF....WEBP", _webp),
    "gif": (rb"GIF8[79]a", _gif),
    "bmp": (rb"BM", _bmp),
    "tiff": (rb"II[*+]\0|MM\0[*+]", _tiff),
}
