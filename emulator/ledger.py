"""What clients did to the emulator, for tests and people to read. It never holds the API key."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Create:
    """One authorised create call."""

    body: Any
    """The JSON that was sent; None where it was not JSON."""
    accepted: bool
    task_id: str | None
    refusal: str | None = None
    at: float = field(default_factory=time.time)
    """Unix seconds."""


@dataclass
class Served:
    """One answer with bytes of a video file."""

    task_id: str
    first_byte: int
    bytes: int = 0
    """Handed to the connection so far; less than asked for when the client left."""


@dataclass
class Ledger:
    """Everything since the start, in order."""

    creates: list[Create] = field(default_factory=list)
    uploads: list[Any] = field(default_factory=list)
    """Bodies of asset upload calls."""
    status_calls: list[Any] = field(default_factory=list)
    """Bodies of asset status calls."""
    queries: dict[str, int] = field(default_factory=dict)
    """Task id -> how often it was asked for."""
    rendered: dict[str, list[str]] = field(default_factory=dict)
    """Task id -> SHA-256 of its file, and of each other content that the file was changed to."""
    failed: dict[str, str] = field(default_factory=dict)
    """Task id -> why its render fails."""
    ends: dict[str, float] = field(default_factory=dict)
    """Task id -> when it is completed or failed, Unix seconds; known of completed ones when their files are there."""
    files: list[Served] = field(default_factory=list)

    def count_query(self, task_id: str) -> None:
        """Note one more query of that task."""
        self.queries[task_id] = self.queries.get(task_id, 0) + 1

    def in_flight(self, at: float) -> int:
        """How many accepted tasks were not finished at that moment."""
        accepted = {create.task_id: create.at for create in self.creates if create.task_id}
        return sum(begun <= at < self.ends.get(task_id, at + 1) for task_id, begun in accepted.items())

    def as_json(self) -> dict[str, Any]:
        """The whole ledger, ready for JSON."""
        return asdict(self)
