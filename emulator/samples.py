"""Sample images to try the emulator with: a drawn person before a sky, in three shapes."""

from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

_SHAPES = {"portrait": (720, 960), "landscape": (1280, 720), "square": (800, 800)}


@cache
def sample_image(path: str) -> bytes | None:
    """The sample as PNG; None for a name that there is none of. Under each path it is another file that looks the same:
    its path is written in it."""
    name = path.rsplit("/", 1)[-1]
    if name not in _SHAPES:
        return None
    width, height = _SHAPES[name]
    sky = Image.composite(
        Image.new("RGB", (width, height), "#f4c48a"),
        Image.new("RGB", (width, height), "#3a6ea5"),
        Image.linear_gradient("L").resize((width, height)),
    )
    _draw_person(ImageDraw.Draw(sky), width / 2, height, min(width, height))
    file = BytesIO()
    comment = PngInfo()
    comment.add_text("Comment", path)
    sky.save(file, "PNG", pnginfo=comment)
    return file.getvalue()


def _draw_person(draw: ImageDraw.ImageDraw, middle: float, bottom: float, size: float) -> None:
    def disc(x: float, y: float, radius: float, colour: str, stretch: float = 1.0) -> None:
        draw.ellipse((x - radius, y - radius * stretch, x + radius, y + radius * stretch), colour)

    head = bottom - 0.52 * size
    disc(middle, bottom, 0.34 * size, "#7b3f61", 0.75)  # shoulders
    disc(middle, head - 0.03 * size, 0.2 * size, "#3b2417", 1.15)  # hair
    disc(middle, head, 0.16 * size, "#e8b894", 1.2)  # face
    for side in (-1, 1):
        disc(middle + side * 0.06 * size, head - 0.02 * size, 0.018 * size, "#2b2b2b")
    draw.arc(
        (middle - 0.07 * size, head + 0.01 * size, middle + 0.07 * size, head + 0.11 * size),
        20,
        160,
        "#a04040",
        max(int(0.012 * size), 2),
    )
