"""What later attempts of a download must know of earlier ones; it travels in the heartbeat."""

import time
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio import activity

from activities.sidecars import Preview
from manxue.problem import Problem
from media.verify import VideoFacts

_PATIENCE = 15 * 60.0
"""Seconds that even fresh URLs may be refused before the download is given up."""
_LONGEST_GAP = 5 * 60.0
"""Seconds between two attempts of which Temporal starts each in time. What is more was time without a worker, in which
nobody was refused anything."""


class Delivered(BaseModel):
    """A video at its place: what the files beside it tell of it, and which of them are there."""

    name: str
    bytes: int
    sha256: str
    facts: VideoFacts
    provider: dict[str, Any]
    """What the provider said of it."""
    preview: Preview | None = None
    warnings: list[Problem] = []
    """Why there are no pictures, where some were wanted."""


class Attempts(BaseModel):
    """From the first one of a run to this one."""

    bytes: int = 0
    length: int | None = None
    refused_for: float = 0.0
    """Seconds, from the first refusal to the last, of those that no byte came between."""
    refused_at: float | None = None
    """Unix seconds, of the last one."""
    invalid: list[str] = []
    """SHA-256 of each file that was not the video."""
    delivered: Delivered | None = None

    def refused(self) -> bool:
        """The file's URL was refused, or there is none; whether that has lasted too long."""
        now = time.time()
        if self.refused_at is not None:
            self.refused_for += min(max(now - self.refused_at, 0.0), _LONGEST_GAP)
        self.refused_at = now
        return self.refused_for > _PATIENCE

    def accepted(self) -> None:
        """A URL was good for some bytes."""
        self.refused_for, self.refused_at = 0.0, None


def earlier_attempts() -> Attempts:
    """Of this activity; none where the heartbeat is of a worker of another version."""
    details = activity.info().heartbeat_details
    try:
        return Attempts.model_validate(details[-1]) if details else Attempts()
    except ValidationError:
        return Attempts()
