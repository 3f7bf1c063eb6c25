"""Waiting for a run with its progress on the screen, and showing how it ended."""

from starter import display
from starter.cli.session import interruptible
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


async def followed(run: Run, view: ProgressView, label: str = "") -> VideoResult:
    """Wait for the video, showing progress. Raises RunFailed."""
    try:
        result = await run.follow(lambda update: view.show(run, update, label))
    except RunFailed as failed:
        view.end(run, Phase.CANCELED if failed.kind == CANCELED else Phase.FAILED, failed.kind, label)
        raise
    view.end(run, Phase.COMPLETED, result.task_id, label)
    return result


def show_result(result: VideoResult, link: str | None, *, as_json: bool) -> None:
    """The path, or the whole result as JSON, on standard output; the facts on standard error."""
    if as_json:
        display.put(result.model_dump_json(indent=2))
    else:
        display.put(display.location(result.video.uri))
        display.facts(result, link)
