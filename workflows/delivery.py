"""What a completed run has to show: the video, its pictures, and what the provider said of it. Part of the contract."""

from pydantic import BaseModel


class Video(BaseModel):
    """Facts of the delivered file, read from the file itself."""

    uri: str
    """`file:///...` or an object store reference; never a signed URL."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Of the whole file, in hexadecimal."""
    container: str
    """Such as `mp4`."""
    codec: str
    """Of the picture, such as `h264`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float
    """Frames per second."""
    duration: float
    """Seconds."""
    has_audio: bool
    """Whether there is a sound track."""


class Preview(BaseModel):
    """Pictures beside the video, both JPEG."""

    poster_uri: str
    """One frame, neither black nor blank where the video has any other; at most 1280 pixels a side."""
    contact_sheet_uri: str
    """Twelve frames with their times."""


class Provider(BaseModel):
    """What the provider said of the finished task."""

    created: int | None = None
    """Unix seconds."""
    actual_duration: float | None = None
    """Seconds."""
    amount: float | None = None
    """Cost in the provider's unit, where it says so (undocumented)."""
