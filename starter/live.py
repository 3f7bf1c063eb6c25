"""Progress while it happens: one moving line per run in a terminal, one plain line per change anywhere else."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from manxue.redact import redact
from starter.display import console, decision_hint, elapsed, is_moving, say
from starter.execution import NoWorkerAnswers
from starter.run import Run
from workflows.contract import Phase, Progress

_BAR_WIDTH = 20


@dataclass
class _Row:
    run: Run
    label: str
    phase: str
    message: str
    percent: float | None = None
    ended: str | None = None
    """How long the run took, once it is over."""


class ProgressView:
    """Shows where runs are. A context manager; the last state of each run stays on the screen."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._spinner = Spinner("dots")
        self._moving = is_moving()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._moving:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moving:
            self._live.stop()

    def show(self, run: Run, update: Progress | NoWorkerAnswers, label: str = "") -> None:
        """The run is here now."""
        before = self._rows.get(run.id)
        match update:
            case NoWorkerAnswers():
                row = _Row(run, label, "no worker", f"{update}; start one with `manxue worker` or `manxue local`")
            case Progress():
                row = _Row(run, label, update.phase.replace("_", " "), redact(update.message), update.percent)
        self._rows[run.id] = row
        if before and (before.phase, before.message, before.percent) == (row.phase, row.message, row.percent):
            return
        if not self._moving:
            say(_line(row))
        if isinstance(update, Progress) and update.decision and (not before or before.phase != row.phase):
            say(decision_hint(run.id))

    def end(self, run: Run, phase: Phase, message: str, label: str = "") -> None:
        """The run is over."""
        before = self._rows.get(run.id)
        row = _Row(run, label, phase, redact(message), ended=elapsed(run.description.start_time))
        self._rows[run.id] = row
        if not self._moving and not (before and before.phase == phase):
            say(_line(row))

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for _ in range(6):
            table.add_column(no_wrap=True)
        table.columns[-1].overflow, table.columns[-1].ratio = "ellipsis", 1
        for row in self._rows.values():
            table.add_row(*_cells(row, self._spinner))
        return table


def _cells(row: _Row, spinner: Spinner) -> list[RenderableType]:
    mark: RenderableType = spinner
    if row.ended:
        mark = Text("✓", "green") if row.phase == Phase.COMPLETED else Text("✗", "red")
    bar = "" if row.percent is None or row.ended else ProgressBar(100, row.percent, width=_BAR_WIDTH)
    time = row.ended or elapsed(row.run.description.start_time)
    return [mark, Text(row.label), Text(row.phase, "bold"), bar, Text(time, "cyan"), Text(row.message, "dim")]


def _line(row: _Row) -> str:
    percent = "" if row.percent is None else f" {row.percent:.0f} %"
    time = row.ended or elapsed(row.run.description.start_time)
    return f"{row.label + ': ' if row.label else ''}{time}: {row.phase}{percent}: {row.message}"
