"""Progress while it happens: a moving block per run in a terminal, one plain line per change anywhere else."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from starter import run_text
from starter.display import console, decision_hint, is_moving, say
from starter.download_progress import DownloadProgress
from starter.execution import NoWorkerAnswers
from starter.run import Run
from starter.run_text import Moment
from workflows.contract import Phase, Progress

_NO_WORKER = "no worker"
_FINAL = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELED)
_CALLS_FOR_SOMEBODY = (_NO_WORKER, Phase.NEEDS_DECISION)
_WIDEST_BAR = 30
_BESIDE_THE_BAR = 36
"""Columns of a heading without its label and its bar."""
_RATE_SECONDS = 15.0
"""How far back the rate of a download looks."""


@dataclass
class _Row:
    run_id: str
    label: str
    moment: Moment
    beats: deque[tuple[datetime, int]] = field(default_factory=deque)
    """Times and bytes of a download, lately."""


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

    def begin(self, run: Run, label: str) -> None:
        """Give the run its place, before anything is known of it."""
        self._rows[run.id] = _Row(run.id, label, _unknown(run))

    def show(
        self,
        run: Run,
        update: Progress | NoWorkerAnswers,
        download: DownloadProgress | None = None,
        label: str = "",
    ) -> None:
        """The run is here now."""
        before = self._rows.get(run.id)
        beats = before.beats if before else deque()
        match update:
            case NoWorkerAnswers():
                known = before.moment if before else _unknown(run)
                message = f"{update}; start one with `manxue worker` or `manxue local`"
                moment = replace(known, phase=_NO_WORKER, message=message, download=None, rate=None)
            case Progress():
                began = min(update.timeline.values(), default=run.description.start_time)
                rate = _rate(beats, download)
                ended = update.since if update.phase in _FINAL else None
                moment = Moment(began, update.phase, update.message, update, download, rate, update.timeline, ended)
        self._rows[run.id] = _Row(run.id, label, moment, beats)
        if before and _said(before.moment) == _said(moment):
            return
        if not self._moving:
            say(run_text.line(moment, label, datetime.now(UTC)))
        if isinstance(update, Progress) and update.decision and (not before or before.moment.phase != moment.phase):
            say(decision_hint(run.id))

    def end(
        self,
        run: Run,
        phase: Phase,
        message: str,
        label: str = "",
        timeline: Mapping[Phase, datetime] | None = None,
    ) -> None:
        """The run is over."""
        before = self._rows.get(run.id)
        known = before.moment if before else _unknown(run)
        timeline = timeline or known.timeline
        began = min(timeline.values(), default=known.began)
        ended = timeline.get(phase) or run.description.close_time or datetime.now(UTC)
        self._rows[run.id] = _Row(run.id, label, Moment(began, phase, message, timeline=timeline, ended=ended))
        if not self._moving and not (before and before.moment.phase == phase):
            say(run_text.line(self._rows[run.id].moment, label, datetime.now(UTC)))

    def _render(self) -> RenderableType:
        rows, now = self._rows.values(), datetime.now(UTC)
        labels = max((len(row.label) for row in rows), default=0)
        crowded = 2 * len(rows) > console.height
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for row in rows:
            heading = _heading(row, labels, now)
            below = [] if crowded else [Text(line, "dim") for line in _below(row, now)]
            table.add_row(self._mark(row.moment), Group(heading, *below))
        return table

    def _mark(self, moment: Moment) -> RenderableType:
        if not moment.ended:
            return Text("!", "bold yellow") if moment.phase in _CALLS_FOR_SOMEBODY else self._spinner
        return Text("✓", "green") if moment.phase == Phase.COMPLETED else Text("✗", "red")


def _heading(row: _Row, label_width: int, now: datetime) -> RenderableType:
    """Label, phase, bar and time: what is looked at first."""
    moment = row.moment
    style = "bold yellow" if moment.phase in _CALLS_FOR_SOMEBODY else "bold"
    cells: list[RenderableType] = [Text(row.label.ljust(label_width))] if label_width else []
    cells.append(Text(moment.phase.replace("_", " "), style))
    done, _ = run_text.share(moment, now)
    width = min(console.width - _BESIDE_THE_BAR - label_width, _WIDEST_BAR)
    if not moment.ended and width > 0 and (done is not None or moment.phase == Phase.RENDERING):
        total, completed = (None, 0.0) if done is None else (1.0, done)
        cells.append(ProgressBar(total, completed, width, pulse=done is None, complete_style="cyan"))
    if percentage := run_text.percentage(moment, now):
        cells.append(Text(percentage))
    cells.append(Text(moment.elapsed(now), "cyan"))
    heading = Table.grid(padding=(0, 1))
    for _ in cells:
        heading.add_column(no_wrap=True)
    heading.add_row(*cells)
    return heading


def _below(row: _Row, now: datetime) -> list[str]:
    moment = row.moment
    times = " · ".join(
        filter(None, [run_text.steps(moment.timeline, moment.ended or now), run_text.ahead(moment, now)])
    )
    return [text for text in (run_text.expectation(moment, now), times, run_text.news(moment)) if text]


def _unknown(run: Run) -> Moment:
    return Moment(run.description.start_time, "starting", "")


def _said(moment: Moment) -> tuple[object, ...]:
    """What makes a plain line worth another one."""
    percent = moment.progress.percent if moment.progress else None
    return moment.phase, moment.message, percent, moment.download.trouble if moment.download else None


def _rate(beats: deque[tuple[datetime, int]], download: DownloadProgress | None) -> float | None:
    """Bytes per second over the last beats; a download that starts over is measured anew."""
    if download is None or download.beat_at is None:
        beats.clear()
        return None
    if beats and download.bytes < beats[-1][1]:
        beats.clear()
    if not beats or download.beat_at > beats[-1][0]:
        beats.append((download.beat_at, download.bytes))
    while len(beats) > 2 and (beats[-1][0] - beats[0][0]).total_seconds() > _RATE_SECONDS:
        beats.popleft()
    seconds = (beats[-1][0] - beats[0][0]).total_seconds()
    return (beats[-1][1] - beats[0][1]) / seconds if seconds > 0 else None
