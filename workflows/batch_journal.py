"""Keeps everyone informed of a batch: the `progress` query, its memo, and the current details in the Web UI."""

from temporalio import workflow

from manxue.batch import RunEnd, RunRef
from manxue.markdown import code, text
from workflows.batch_contract import BatchPhase, BatchProgress, BatchResult
from workflows.batch_state import BatchState
from workflows.contract import MEMO_OUTCOME

_FAILURES_SHOWN = 20


class BatchJournal:
    """Writes what happens into the state, and shows it."""

    def __init__(self) -> None:
        self.state = BatchState(since=workflow.now())
        self.open = False
        """Whether the run has begun; an update can arrive before."""

    def resume(self, state: BatchState) -> None:
        """Go on where an earlier run of the chain continued as new."""
        self.state, self.open = state, True

    def enter(self, phase: BatchPhase, message: str) -> None:
        """A phase begins."""
        self.open = True
        self.state.phase, self.state.since, self.state.message = phase, workflow.now(), message

    def end(self, phase: BatchPhase, message: str) -> None:
        """The batch is over; the memo says so where nothing else can, in lists and after a cancellation."""
        self.enter(phase, message)
        workflow.upsert_memo({MEMO_OUTCOME: message})

    def record(self, end: RunEnd) -> None:
        """A run is over."""
        self.state.record(end)

    def _message(self) -> str:
        ended = self.state.completed + self.state.failed + self.state.canceled
        return (
            f"{self.told().capitalize()}." if self.state.phase == BatchPhase.RUNNING and ended else self.state.message
        )

    def told(self) -> str:
        """How the runs ended, in words."""
        counts = self.state.counts()
        parts = {
            "completed": counts.completed,
            "failed": counts.failed,
            "canceled": counts.canceled,
            "in flight": counts.running,
            "waiting": counts.waiting,
        }
        return ", ".join(f"{count} {what}" for what, count in parts.items() if count or what == "completed")

    def progress(self, running: list[RunRef]) -> BatchProgress:
        """The answer to the query `progress`."""
        state = self.state
        return BatchProgress(
            phase=state.phase,
            since=state.since,
            message=self._message(),
            counts=state.counts(),
            concurrency=state.concurrency,
            running=running,
            failures=state.failures,
            failure_types=state.failure_types,
        )

    def result(self) -> BatchResult:
        """What the batch returns."""
        state = self.state
        return BatchResult(counts=state.counts(), failures=state.failures, failure_types=state.failure_types)

    def details(self) -> str:
        """The current details."""
        state = self.state
        counts = state.counts()
        since = f"{state.since:%Y-%m-%d %H:%M:%S} UTC"
        lines = [f"**{state.phase}** since {since}", "", text(self._message()), ""]
        # Lists: the Web UI gives the cells of a table no room.
        lines += [
            f"- **Completed:** {counts.completed} of {counts.total}",
            f"- **In flight:** {counts.running}, at most {state.concurrency}",
            f"- **Waiting:** {counts.waiting}",
            f"- **Failed:** {counts.failed}",
            f"- **Canceled:** {counts.canceled}",
        ]
        if state.failures:
            latest = reversed(state.failures[-_FAILURES_SHOWN:])
            lines += ["", "**Latest failures**", "", *map(_line, latest)]
        return "\n".join(lines)


def _line(end: RunEnd) -> str:
    why = f"{end.failure or end.status}: {end.message}" if end.message else end.failure or end.status
    return f"- line {end.number}, {code(end.workflow_id)}: {text(why)}"
