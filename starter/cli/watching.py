"""Waiting for a run with its progress on the screen, and showing how it ended."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from starter import display
from starter.cli.exit_codes import FAILED, Stopped
from starter.cli.session import interruptible
from starter.execution import NotPossible, NoWorkerAnswers
from starter.live import ProgressView
from starter.outcome import RunFailed
from starter.run import Run
from workflows.contract import Phase, VideoResult
from workflows.next_steps import CANCELED


async def wait_and_show(run: Run, link: str | None, *, as_json: bool) -> None:
    """Wait for the video. Raises RunFailed, and Stopped when interrupted."""
    again = f"the run goes on. Watch it again: manxue watch {run.id}"
    with interruptible(again, f". Cancel it: manxue cancel {run.id}"), ProgressView() as view:
        result = await followed(run, view)
    show_result(result, link, as_json=as_json)


async def wait_and_show_all(runs: Sequence[tuple[Run, str | None]]) -> None:
    """Wait for the ends of several runs, given with their links, and show them in that order.

    Raises Stopped when one is over without a video, or when interrupted.
    """
    again = f"the runs go on. Watch them again: manxue watch {' '.join(run.id for run, _ in runs)}"
    with interruptible(again), ProgressView() as view:
        for run, _ in runs:
            view.begin(run, run.id)
        ends = await asyncio.gather(*(_end(run, view) for run, _ in runs))
    failed = 0
    for (run, link), end in zip(runs, ends, strict=True):
        if isinstance(end, VideoResult):
            show_result(end, link, as_json=False)
        else:
            failed += 1
            display.say(f"\n{run.id}", "bold")
            display.failure(end, link)
    if failed:
        raise Stopped(FAILED, f"{failed} of {len(runs)} runs ended without a video")


async def followed(run: Run, view: ProgressView, label: str = "") -> VideoResult:
    """Wait for the video, showing progress. Raises RunFailed."""
    try:
        result = await run.follow(lambda update, download: view.show(run, update, download, label))
    except RunFailed as failed:
        view.end(run, Phase.CANCELED if failed.kind == CANCELED else Phase.FAILED, failed.kind, label)
        await _say_who_was_not_told(run)
        raise
    view.end(run, Phase.COMPLETED, result.task_id, label, result.timeline)
    return result


async def _say_who_was_not_told(run: Run) -> None:
    """Of a run without a result, whose warnings would have it."""
    with suppress(NotPossible, NoWorkerAnswers):
        for report in (await run.progress()).notifications:
            if report.state != "delivered":
                display.say(f"  warning: {display.notification_line(report)}", "yellow")


async def _end(run: Run, view: ProgressView) -> VideoResult | RunFailed:
    try:
        return await followed(run, view, run.id)
    except RunFailed as failed:
        return failed


def show_result(result: VideoResult, link: str | None, *, as_json: bool) -> None:
    """The path, or the whole result as JSON, on standard output; the facts on standard error."""
    if as_json:
        display.put_json(result.model_dump(mode="json"))
    else:
        display.put(display.location(result.video.uri))
        display.facts(result, link)
