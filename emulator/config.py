"""What an emulator can be told: its key, its speed, how long things take."""

from dataclasses import dataclass
from pathlib import Path

from manxue.vocabulary import resolution

RENDER_SECONDS_PER_SECOND = {"720p": 24.0, "1080p": 48.0, "2k": 120.0, "4k": 360.0}
"""Provider-side seconds for each second of video: 5 s take 2 minutes in 720p and half an hour in 4K."""

FAST_FACTOR = 0.5
"""What the `fast` models take of that."""


@dataclass(frozen=True)
class EmulatorConfig:
    """Times are the provider's and are divided by `speed`, except for `url_ttl`, which clients must live with."""

    api_key: str = "emulator-key"
    speed: float = 1.0
    url_ttl: float = 86400.0
    """Real seconds until a result URL expires. One of the vendor's pages says 24 hours."""
    review_seconds: float = 20.0
    """From an asset's upload to `Active` or `Failed`."""
    queue_seconds: float = 10.0
    """From a task's acceptance to `processing`."""
    chaos_seed: int | None = None
    """Makes calls go wrong at random, the same way for the same seed; see `emulator.faults`."""
    wrapped_create: bool = False
    """Answer creates as resellers document it: `{"code": "0", "msg": null, "data": {"projectId": "..."}}`."""

    state: Path | None = None
    """Directory that keeps tasks, videos and assets over restarts; None: all is gone when it stops."""
    staging: Path | None = None
    """Directory of files that are served to everyone at `/staging/`, named by their SHA-256."""

    def render_seconds(self, model: str, duration: int) -> float:
        """From `processing` to `completed`, for `duration` seconds of video."""
        factor = FAST_FACTOR if "_fast_" in model else 1.0
        return RENDER_SECONDS_PER_SECOND[resolution(model)] * factor * duration
