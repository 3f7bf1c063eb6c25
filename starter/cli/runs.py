"""Commands about a run that exists: status, watch, result, cancel, poll-now, resolve."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from starter import display
from starter.cli.exit_codes import NOT_NOW, UNAVAILABLE, Stopped
from starter.cli.session import Session, in_session
from starter.cli.watch_lines import tell_changes
from starter.cli.watching import show_result, wait_and_show, wait_and_show_all
from starter.download_progress import DownloadProgress, read_download
from starter.events import Download
from starter.execution import NotPossible, NoWorkerAnswers
from starter.listing import known
from starter.outcome import RunFailed
from starter.run import Run
from starter.run_text import download_lines, steps
from workflows.contract import Progress, Resolution

RunId = Annotated[str, typer.Argument(metavar="ID", help="The workflow id, as `manxue generate` prints it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_CANCEL_PATIENCE = 15.0
"""Seconds to wait for a cancelled run's last word; a create call in flight is waited for by the run itself."""


def status(run_id: RunId, as_json: Json = False) -> None:
    """Show where a run is. Without an answer of a worker: what the server knows, and exit code 4 if it goes on."""

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        progress, silence = await _asked(run)
        download = await read_download(run.description)
        if as_json:
            told = {"download": Download.of(download).model_dump()} if download else {}
            display.put_json({**known(run.description), **_answer(progress, silence), **told})
        else:
            _show_status(run, progress, session.link(run), download)
        if silence and run.is_open:
            code = UNAVAILABLE if isinstance(silence, NoWorkerAnswers) else NOT_NOW
            raise Stopped(code, f"no progress to show: {silence}")

    in_session(work)


async def _asked(run: Run) -> tuple[Progress | None, NotPossible | NoWorkerAnswers | None]:
    try:
        return await run.progress(), None
    except (NotPossible, NoWorkerAnswers) as silence:
        return None, silence


def _answer(progress: Progress | None, silence: Exception | None) -> dict[str, Any]:
    return progress.model_dump(mode="json") if progress else {"message": str(silence)}


def _show_status(
    run: Run, progress: Progress | None, link: str | None, download: DownloadProgress | None = None
) -> None:
    timeline = progress.timeline if progress else {}
    begun = min(timeline.values(), default=run.description.start_time)
    times = steps(timeline, run.description.close_time or datetime.now(UTC))
    rows = [
        ("run", run.id),
        ("state", run.status),
        ("started", f"{display.clock(begun)}, {display.elapsed(begun)} ago"),
    ]
    rows += display.progress_lines(progress) if progress else []
    rows += download_lines(download, datetime.now(UTC)) if download else []
    rows += [("times", times)] if times else []
    rows += [("web ui", link)] if link else []
    display.put_rows(rows)
    if progress and progress.decision:
        display.say(display.decision_hint(run.id))


def watch(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Workflow ids, of one run or of several.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: a line for each change, at the end the result or failure.")
    ] = False,
) -> None:
    """Follow runs to their ends, as `generate` does."""

    async def work(session: Session) -> None:
        runs = await asyncio.gather(*(session.find(run_id) for run_id in dict.fromkeys(run_ids)))
        if as_json:
            await tell_changes(runs)
        elif len(runs) == 1:
            await wait_and_show(runs[0], session.link(runs[0]), as_json=False)
        else:
            await wait_and_show_all([(run, session.link(run)) for run in runs])

    in_session(work)


def result(run_id: RunId, as_json: Json = False) -> None:
    """Print the path of a finished run's video. Does not wait."""

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        if run.is_open:
            raise Stopped(NOT_NOW, f"{run_id} is not finished; wait for it: manxue watch {run_id}")
        show_result(await run.result(), session.link(run), as_json=as_json)

    in_session(work)


def cancel(run_id: RunId) -> None:
    """Cancel a run. The provider has no cancel call: an accepted render goes on and is billed."""

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        await run.cancel()
        try:
            done = await asyncio.wait_for(run.result(), _CANCEL_PATIENCE)
        except RunFailed as ended:
            display.say(ended.message)
        except TimeoutError:
            display.say(
                f"{run_id} was asked to stop, and has not stopped yet (is a worker running?). "
                "What the provider has accepted goes on rendering and is billed."
            )
        else:
            display.say("too late to cancel: the video is finished")
            show_result(done, session.link(run), as_json=False)

    in_session(work)


def poll_now(run_id: RunId) -> None:
    """Ask the provider at once, instead of at the next timer."""

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        _show_status(run, Progress.model_validate(await run.poll_now()), session.link(run))

    in_session(work)


def resolve(
    run_id: RunId,
    adopt: Annotated[
        str | None, typer.Option(metavar="TASK_ID", help="The order arrived as this task: go on with it.")
    ] = None,
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="Order again. If the first arrived, it pays twice.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give up: the run fails with SubmissionUnknown.")] = False,
) -> None:
    """Decide about a run in the phase needs_decision: nobody knows whether the provider took its order."""
    if (adopt is not None) + resubmit + abandon != 1:
        raise typer.BadParameter("give exactly one of --adopt TASK_ID, --resubmit and --abandon")
    try:
        action = "resubmit" if resubmit else "abandon" if abandon else "adopt"
        resolution = Resolution.model_validate({"action": action, "task_id": adopt})
    except ValidationError:
        raise typer.BadParameter(
            "must be a task id: 1 to 200 characters without white space", param_hint="--adopt"
        ) from None

    async def work(session: Session) -> None:
        run = await session.find(run_id)
        await run.resolve(resolution)
        display.say(f"decided: {resolution.action}. Watch it: manxue watch {run_id}")

    in_session(work)
