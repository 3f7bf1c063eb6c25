"""`manxue demo`: the whole stack on this machine, two videos from request to file, and everything ended again."""

import asyncio
import os
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from connection import connect
from settings import Settings, load
from starter import display
from starter.cli.exit_codes import FAILED, Stopped
from starter.cli.watching import followed, show_result
from starter.client import start
from starter.inputs import check, output_url
from starter.live import ProgressView
from starter.local import LocalStack, StackOptions, local_stack
from starter.local_state import STATE_DIRECTORY, LocalState
from starter.outcome import RunFailed
from starter.run import Run
from starter.stopping import stop_on_signals
from workflows.contract import VideoResult

_STATE = STATE_DIRECTORY / "demo"
_OUTPUT = "videos"
_LABELS = ("text to video", "first frame")


@dataclass(frozen=True)
class _Ended:
    label: str
    run: Run
    end: VideoResult | RunFailed


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Generate two videos on this machine, from request to file, with nothing but this program."""
    asyncio.run(_demo(keep=keep))


async def _demo(*, keep: bool) -> None:
    display.say("starting a Temporal server, a stand-in for the provider, and a worker ...")
    async with local_stack(StackOptions(state=_STATE, worker_log=_STATE / "worker.log")) as stack:
        display.say(f"Web UI: {stack.state.ui_url}")
        ended = await stack.until(_two_videos(stack))
        for one in ended:
            _show(one, stack.state.ui_url)
        if any(isinstance(one.end, RunFailed) for one in ended):
            raise Stopped(FAILED, f"not both videos were made; the worker's log is {_STATE / 'worker.log'}")
        if keep:
            display.say("The server goes on, so the links above work. Ctrl-C stops everything.")
            await stack.until(stop_on_signals().wait())
        else:
            display.say(f"The server ends now. To look at these runs again: manxue local --state {_STATE}")


async def _two_videos(stack: LocalStack) -> list[_Ended]:
    """Both at once: one from words, one from a picture that goes through the provider's review first."""
    os.environ |= stack.state.temporal_environment()
    client, queue, nonce = await connect(), load(Settings).task_queue, secrets.token_hex(2)
    runs = []
    for label, request in zip(_LABELS, _requests(stack.state), strict=True):
        fields = {"request": request, "output": output_url(_OUTPUT), "poll": stack.state.poll_rhythm()}
        workflow_id = f"demo-{label.replace(' ', '-')}-{nonce}"
        run, _ = await start(client, queue, workflow_id, fields, check(fields)[1])
        runs.append((label, run))
    with ProgressView() as view:
        return await asyncio.gather(*(_ended(label, run, view) for label, run in runs))


def _requests(state: LocalState) -> list[dict[str, Any]]:
    basics = {"model": "sd2_manxue_720p", "duration": 5}
    return [
        {**basics, "prompt": "A paper boat drifts down a rain gutter at dawn, close to the water"},
        {
            **basics,
            "prompt": "She turns her head and smiles, hair moving in a light wind",
            "first_image": f"{state.emulator_url}/samples/portrait.png",
        },
    ]


async def _ended(label: str, run: Run, view: ProgressView) -> _Ended:
    try:
        return _Ended(label, run, await followed(run, view, label))
    except RunFailed as failed:
        return _Ended(label, run, failed)


def _show(one: _Ended, ui_url: str) -> None:
    display.say(f"\n{one.label}", "bold")
    link = display.run_link(ui_url, one.run)
    if isinstance(one.end, RunFailed):
        display.failure(one.end, link)
    else:
        show_result(one.end, link, as_json=False)
