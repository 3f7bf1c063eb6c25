"""A batch while it happens: a table that moves in a terminal, one plain line per change anywhere else."""

from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from manxue.batch import RunEnd
from manxue.redact import redact
from starter.batch import Batch
from starter.display import console, elapsed, is_moving, say
from starter.execution import NoWorkerAnswers
from workflows.batch_contract import BatchCounts, BatchProgress, BatchResult
from workflows.contract import Phase

_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")
_RUNS_SHOWN = 12
_RUNS_ASKED = 100
"""Of those in flight, the first: a list query names each of them."""
_FAILURES_SHOWN = 5


class BatchView:
    """Shows one batch. A context manager; the last state stays on the screen."""

    def __init__(self, client: Client, batch: Batch) -> None:
        self._client = client
        self._batch = batch
        self._moving = is_moving()
        self._said = ""
        self._told: set[str] = set()
        """Workflow ids of failures, and in `_held` of runs that wait for a decision: each is told once."""
        self._held: set[str] = set()
        self._shown: RenderableType = Text("")
        self._live = Live(get_renderable=lambda: self._shown, console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self._moving:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moving:
            self._live.stop()

    async def show(self, update: BatchProgress | NoWorkerAnswers) -> None:
        """The batch is here now."""
        if isinstance(update, NoWorkerAnswers):
            self._say(f"{update}; start one with `manxue worker` or `manxue local`", "yellow")
            return
        phases = await self._phases(update)
        self._say(f"{update.phase}: {summary(update.counts)}", "")
        self._tell(update.failures)
        for run in update.running:
            if phases.get(run.workflow_id) == Phase.NEEDS_DECISION and run.workflow_id not in self._held:
                self._held.add(run.workflow_id)
                say(f"{self._batch.source}:{run.number}: needs a decision: manxue status {run.workflow_id}", "yellow")
        self._shown = _table(self._batch, update, phases)

    def end(self, result: BatchResult) -> None:
        """The batch is over."""
        self._tell(result.failures)
        self._say(f"completed: {summary(result.counts)}", "")
        self._shown = _head(self._batch, "completed", result.counts)

    def _tell(self, failures: list[RunEnd]) -> None:
        for end in failures:
            if end.workflow_id not in self._told:
                self._told.add(end.workflow_id)
                say(f"  {failure_line(self._batch, end)}", "red")

    def _say(self, text: str, style: str) -> None:
        if text != self._said and not self._moving:
            say(f"{elapsed(self._batch.description.start_time)}: {text}", style)
        if self._moving and style:
            self._shown = Text(redact(text), style)
        self._said = text

    async def _phases(self, progress: BatchProgress) -> dict[str, str]:
        """Workflow id -> phase, as far as the server's lists know it."""
        ids = [run.workflow_id for run in progress.running if "'" not in run.workflow_id][:_RUNS_ASKED]
        if not ids:
            return {}
        named = ", ".join(f"'{workflow_id}'" for workflow_id in ids)
        try:
            found = self._client.list_workflows(f"WorkflowId IN ({named}) AND ExecutionStatus = 'Running'")
            return {run.id: run.typed_search_attributes.get(_PHASE) or "" async for run in found}
        except RPCError:
            return {}


def summary(counts: BatchCounts) -> str:
    """How many lines are where."""
    parts = {
        "failed": counts.failed,
        "canceled": counts.canceled,
        "in flight": counts.running,
        "waiting": counts.waiting,
    }
    told = [f"{counts.completed} of {counts.total} completed"]
    return ", ".join(told + [f"{count} {what}" for what, count in parts.items() if count])


def failure_line(batch: Batch, end: RunEnd) -> str:
    """Which line failed, and why."""
    why = f"{end.failure or end.status}: {end.message}" if end.message else end.failure or end.status
    return f"{batch.source}:{end.number}: {why}"


def _head(batch: Batch, phase: str, counts: BatchCounts) -> RenderableType:
    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(max(counts.total, 1), counts.total - counts.waiting - counts.running, width=30)
    head.add_row(Text(phase, "bold"), bar, Text(elapsed(batch.description.start_time), "cyan"), Text(summary(counts)))
    return head


def _table(batch: Batch, progress: BatchProgress, phases: dict[str, str]) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    for run in progress.running[:_RUNS_SHOWN]:
        phase = phases.get(run.workflow_id, "").replace("_", " ")
        rows.add_row(Text(f"  line {run.number}"), Text(phase, "bold"), Text(run.workflow_id, "dim"))
    more = len(progress.running) - _RUNS_SHOWN
    tail = [Text(f"  and {more} more in flight", "dim")] if more > 0 else []
    failed = [Text(f"  {redact(failure_line(batch, end))}", "red") for end in progress.failures[-_FAILURES_SHOWN:]]
    message = [Text(f"  {redact(progress.message)}", "yellow")] if progress.phase == "paused" else []
    return Group(_head(batch, progress.phase, progress.counts), *message, rows, *tail, *failed)
