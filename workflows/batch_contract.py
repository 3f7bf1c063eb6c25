"""What callers rely on: names, input, result and progress of `GenerateBatch`. As workflows/contract.py, for batches."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from manxue.batch import PageRef, RunEnd, RunRef

GENERATE_BATCH = "GenerateBatch"

BATCH_PROGRESS_QUERY = "progress"
PAUSE_UPDATE = "pause"
RESUME_UPDATE = "resume"
SET_CONCURRENCY_UPDATE = "set_concurrency"

DEFAULT_CONCURRENCY = 10
MOST_CONCURRENCY = 500
"""Temporal allows 2,000 pending children; each look at runs in flight asks about every one of them."""
MOST_REQUESTS = 5000
"""In one argument: a workflow task has 2 s to put them into pages."""
MOST_PAGES = 2000
MOST_FAILURES_TOLD = 100
"""In progress and result; the others are counted."""

Concurrency = Annotated[int, Field(strict=True, ge=1, le=MOST_CONCURRENCY)]


class BatchPhase(StrEnum):
    """Where a batch is. The last three are final."""

    VALIDATING = "validating"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class GenerateBatchInput(BaseModel):
    """The one argument of `GenerateBatch`: either `requests`, at most 5,000 and 1 MB of JSON, or `pages`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    requests: Annotated[list[Any], Field(min_length=1, max_length=MOST_REQUESTS)] | None = None
    """Each a `GenerateVideoInput`, or only the provider's create-task body."""
    pages: Annotated[list[PageRef], Field(min_length=1, max_length=MOST_PAGES)] | None = None
    """`RequestPage` executions that were started before, where the requests do not fit into one argument."""
    concurrency: Concurrency = DEFAULT_CONCURRENCY
    """How many runs may be in flight."""
    skip_invalid: Annotated[bool, Field(strict=True)] = False
    """Start although requests break rules; their runs fail with InvalidRequest, unpaid."""

    @model_validator(mode="after")
    def _one_source(self) -> "GenerateBatchInput":
        if (self.requests is None) == (self.pages is None):
            raise ValueError("give `requests`, a list of at least one")
        return self


class BatchCounts(BaseModel):
    """How many requests are where; they add up to `total`."""

    total: int = 0
    """All requests of the batch."""
    waiting: int = 0
    """Not started yet."""
    running: int = 0
    """In flight."""
    completed: int = 0
    """With a video."""
    failed: int = 0
    """Without a video, for whatever reason but a cancellation."""
    canceled: int = 0
    """Cancelled, alone or with the batch."""


class BatchProgress(BaseModel):
    """The answer to the query `progress`, and to the updates."""

    phase: BatchPhase
    """Where the batch is."""
    since: datetime
    """When it entered the phase, UTC."""
    message: str
    """What is happening, as a sentence for people."""
    counts: BatchCounts
    """How many requests are where."""
    concurrency: int
    """How many runs may be in flight."""
    running: list[RunRef] = []
    """Those in flight."""
    failures: list[RunEnd] = []
    """The latest, at most 100."""
    failure_types: dict[str, int] = {}
    """Of all failures: how many of which type."""


class BatchResult(BaseModel):
    """What a completed batch returns. It completes also when runs fail: they are told, and counted."""

    counts: BatchCounts
    """How many requests ended how."""
    failures: list[RunEnd]
    """The latest, at most 100."""
    failure_types: dict[str, int]
    """Of all failures: how many of which type."""
