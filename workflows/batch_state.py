"""What a batch knows, and all that it carries over when it continues as new: bounded, however many requests it has."""

from datetime import datetime

from pydantic import BaseModel

from manxue.batch import PageRef, RunEnd, RunRef
from workflows.batch_contract import DEFAULT_CONCURRENCY, MOST_FAILURES_TOLD, BatchCounts, BatchPhase


class BatchState(BaseModel):
    """The requests themselves are in the pages."""

    phase: BatchPhase = BatchPhase.VALIDATING
    since: datetime
    message: str = "The batch has started."
    pages: list[PageRef] = []
    concurrency: int = DEFAULT_CONCURRENCY
    next: int = 0
    """Place of the first line that was not started yet, over all pages."""
    running: list[RunRef] = []
    """Runs in flight that an earlier run of the chain, or somebody else, has started."""
    joined: list[str] = []
    """The workflow ids of those that were there before the batch was to start them."""
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    failures: list[RunEnd] = []
    failure_types: dict[str, int] = {}

    @property
    def total(self) -> int:
        """How many requests there are."""
        return sum(page.lines for page in self.pages)

    def counts(self) -> BatchCounts:
        """How many requests are where."""
        ended = self.completed + self.failed + self.canceled
        return BatchCounts(
            total=self.total,
            waiting=self.total - self.next,
            running=self.next - ended,
            completed=self.completed,
            failed=self.failed,
            canceled=self.canceled,
        )

    def record(self, end: RunEnd) -> None:
        """A run is over."""
        if end.status == "completed":
            self.completed += 1
            return
        if end.status == "canceled":
            self.canceled += 1
        else:
            self.failed += 1
        kind = end.failure or end.status
        self.failure_types[kind] = self.failure_types.get(kind, 0) + 1
        self.failures = [*self.failures, end][-MOST_FAILURES_TOLD:]


class ContinuedBatch(BaseModel):
    """The argument of a run that continues an earlier one."""

    continued: BatchState
