"""What the provider can answer, as types; the statuses of a task form a union to `match` on."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class CreatedTask:
    """The provider accepted a create call. From here on it is paid for."""

    id: str
    created: int | None = None
    """Unix seconds, where the answer has it."""


@dataclass(frozen=True)
class Queued:
    """Accepted, waiting for a renderer."""


@dataclass(frozen=True)
class Processing:
    """Being generated."""

    percent: float | None = None
    """0 to 100, where the provider says so (reported, not documented)."""


@dataclass(frozen=True)
class Completed:
    """Done. `video_url` is temporary, and a secret; it can be missing for a while (reported)."""

    video_url: str | None = field(repr=False)
    actual_duration: float | None = None
    """Seconds."""
    created: int | None = None
    amount: float | None = None
    """Cost in the provider's unit (reported, not documented)."""


@dataclass(frozen=True)
class Failed:
    """The render failed or was refused by content policy, or cancelled by the provider."""

    reason: str


@dataclass(frozen=True)
class Unrecognized:
    """A status word that nobody documents: neither success nor failure."""

    word: str


TaskStatus = Queued | Processing | Completed | Failed | Unrecognized


class AssetState(StrEnum):
    """Review states. EXPIRED and DELETED are reported of a sister API; UNKNOWN is any other word."""

    PROCESSING = "Processing"
    ACTIVE = "Active"
    FAILED = "Failed"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AssetUpload:
    """The answer to one upload call, by the URL that was sent."""

    accepted: dict[str, str]
    """URL -> asset id."""
    refused: dict[str, str]
    """URL -> the provider's reason."""
    unanswered: list[str]
    """URLs in neither list: the answer is incomplete, and nothing is known of them."""
