"""How soon a worker works, how soon it is gone, and how soon another one has taken over from one that died."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from subprocess import Popen
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from benchmarks import bare_worker, taking_over
from benchmarks.machine import cpu_seconds
from benchmarks.picture import bars
from benchmarks.section import Section, table
from benchmarks.taking_over import BUSY, INTERVAL, NEAR, WAITING, HoldingProvider, ending
from tests.support.processes import API_KEY, ROOT, DevServer, spawn
from tests.support.runs import FAST, request

_PAIRS = 5
_IDLE = 1.0
"""Seconds between the last task and SIGTERM."""
_WITHIN = 0.5
"""Seconds more than the bare worker."""
_RECOVERED = 5.0
"""Seconds, for runs that wait."""


class Ours:
    """`python worker.py`."""

    name, workflow, queue, poll = "ours", "GenerateVideo", "manxue", "poll"

    def __init__(self, folder: Path, address: str, provider: HoldingProvider) -> None:
        self.one_task: Any = {"request": {"model": "none"}}
        """Input of a run that is over after its first workflow task."""
        self.waiting: Any = self.polled_each(INTERVAL)
        self._folder = folder
        self._env = {
            "TEMPORAL_ADDRESS": address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": provider.url,
            "MANXUE_OUTPUT": str(folder / "videos"),
        }

    def polled_each(self, seconds: float) -> Any:
        """Input of a run that waits."""
        poll = {"first": 2, "interval": seconds, "max_interval": seconds}
        return {"request": request("waiting"), "preview": False, "poll": poll}

    def start(self) -> Popen[bytes]:
        """A new worker."""
        return _python(self._folder, str(ROOT / "worker.py"), **self._env)


class Bare:
    """`bare_worker.py`."""

    name, workflow, queue, poll = "bare worker", bare_worker.WORKFLOW, bare_worker.TASK_QUEUE, "ask"
    one_task: Any = 0.0
    waiting: Any = INTERVAL

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address

    def start(self) -> Popen[bytes]:
        """A new worker."""
        return _python(self._folder, "-m", "benchmarks.bare_worker", self._address)


Kind = Ours | Bare


def _python(folder: Path, *arguments: str, **env: str) -> Popen[bytes]:
    """With compiled modules, as the image has them, and as the second start on any machine."""
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PYTHONPATH": str(ROOT)}
    return spawn([sys.executable, *arguments], folder / "worker.log", {**os.environ, **env, **compiled})


def run() -> Section:
    """Measure."""
    provider = HoldingProvider()
    provider.start()
    with tempfile.TemporaryDirectory() as name:
        server = DevServer(Path(name))
        try:
            return asyncio.run(_measured(server.address, provider, Path(name)))
        finally:
            server.kill()
            provider.stop()


async def _measured(address: str, provider: HoldingProvider, folder: Path) -> Section:
    client = await Client.connect(address)
    ours, bare = Ours(folder, address, provider), Bare(folder, address)
    for kind in (ours, bare):  # once before anything counts: search attributes, compiled modules
        await _lifetime(client, kind)
    lives = [(await _lifetime(client, ours), await _lifetime(client, bare)) for _ in range(_PAIRS)]
    recovered = await _recovered(client, ours, provider)
    bare_waits = await _bare_recovered(client, bare)
    return _section(lives, recovered, bare_waits)


async def _lifetime(client: Client, kind: Kind) -> tuple[float, ...]:
    """Seconds from start to first poll and to first task done, of processor until then, and from SIGTERM to exit."""
    handle = await client.start_workflow(kind.workflow, kind.one_task, id=f"one-{uuid4().hex}", task_queue=kind.queue)
    begun = time.time()
    process = kind.start()
    try:
        async with asyncio.timeout(60):
            started, done = await _first_task(handle)
        busy = cpu_seconds(process.pid)
        await asyncio.sleep(_IDLE)
        told = time.perf_counter()
        process.terminate()
        await asyncio.to_thread(process.wait, 60)
        return started - begun, done - begun, busy, time.perf_counter() - told
    finally:
        process.kill()


async def _first_task(handle: WorkflowHandle[Any, Any]) -> tuple[float, float]:
    """When a worker took the first task of the run, and when it had done it, by the server's clock."""
    started = 0.0
    async for event in handle.fetch_history_events(wait_new_event=True):
        at = event.event_time.ToMicroseconds() / 1e6
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            started = at
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return started, at
    raise AssertionError("the run ended without a task")


async def _recovered(client: Client, kind: Ours, provider: HoldingProvider) -> dict[str, list[float]]:
    """Delays of runs that waited, were polled and downloaded when the only worker that knew them was killed."""

    async def started(inputs: list[Any]) -> list[WorkflowHandle[Any, Any]]:
        return await taking_over.started(client, kind.workflow, kind.queue, inputs)

    with ending(kind.start()) as first:
        near = await started([kind.polled_each(NEAR)] * WAITING)
        often = await started([kind.waiting] * WAITING)
        fast = {"preview": False, "poll": FAST}
        await started([{"request": request(f"half {n}"), **fast} for n in range(BUSY)])
        await _until(lambda: len(provider.ranges) == BUSY)
        await started([{"request": request(f"held {n}"), **fast} for n in range(BUSY)])
        await _until(lambda: len(provider.asked) == BUSY)
        await taking_over.polled([*near, *often], kind.poll)
        with ending(kind.start()) as second:
            await taking_over.listening(client, kind.queue, second.pid)
            near_due, often_due = await taking_over.due(near), await taking_over.due(often)
            killed = taking_over.kill(first)
            nears, oftens, (polls, files) = await asyncio.gather(
                taking_over.question_delays(provider, near_due),
                taking_over.question_delays(provider, often_due),
                taking_over.busy_delays(provider, killed),
            )
            for handle in (*near, *often):
                await handle.terminate()
    return {
        f"waiting, polled every {INTERVAL:.0f} s": oftens,
        f"waiting, polled every {NEAR:.0f} s": nears,
        "a poll in flight": polls,
        "downloading": files,
    }


async def _bare_recovered(client: Client, kind: Bare) -> list[float]:
    """Delays of runs that waited on a timer."""
    with ending(kind.start()) as first:
        waiting = await taking_over.started(client, kind.workflow, kind.queue, [kind.waiting] * WAITING)
        await taking_over.polled(waiting, kind.poll)
        with ending(kind.start()) as second:
            await taking_over.listening(client, kind.queue, second.pid)
            waits = await taking_over.timer_delays(waiting, taking_over.kill(first))
            for handle in waiting:
                await handle.terminate()
    return waits


async def _until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it watches lives in another thread
            await asyncio.sleep(0.05)


def _section(
    lives: list[tuple[tuple[float, ...], tuple[float, ...]]],
    recovered: dict[str, list[float]],
    bare_waits: list[float],
) -> Section:
    rows, short, medians = [], [], []
    names = ("start to first poll", "start to first task done", "processor time until then", "SIGTERM to exit, idle")
    for number, name in enumerate(names):
        ours, bare = (median(life[which][number] for life in lives) for which in (0, 1))
        more = median(life[0][number] - life[1][number] for life in lives)
        rows.append([name, f"{ours:.2f}", f"{bare:.2f}", f"**{more:+.2f}**"])
        medians.append((ours, bare))
        if more > _WITHIN and number != 2:
            short.append(f"start_stop, {name}: {more:.2f} s more than a bare worker, which is over {_WITHIN} s")
    waits = {state: max(delays) for state, delays in recovered.items() if state.startswith("waiting")}
    short += [
        f"start_stop: a run went on after {longest:.1f} s, more than {_RECOVERED:.0f} s ({state})"
        for state, longest in waits.items()
        if longest > _RECOVERED
    ]
    states = [*recovered.items(), ("waiting on a timer", [])]
    recovery = [[state, *_cells(delays), *(_cells(bare_waits) if not delays else ["", ""])] for state, delays in states]
    heads = ["Recovery after SIGKILL, s", "ours, median", "ours, longest", "bare, median", "bare, longest"]
    first = {"ours: to first poll": medians[0][0], "bare: to first poll": medians[0][1]}
    pictures = [
        bars("start_stop-0", "Cold start", "seconds", first, medians[0][1] + _WITHIN),
        bars(
            "start_stop-1",
            "Longest delay of a run after SIGKILL of its worker",
            "seconds",
            {f"ours, {state}": max(delays) for state, delays in recovered.items()} | {"bare, waiting": max(bare_waits)},
            _RECOVERED,
        ),
    ]
    tables = [table(["Seconds", "ours", "bare", "more"], rows), table(heads, recovery)]
    return Section("\n\n".join([_TOLD, *(part for pair in zip(tables, pictures, strict=True) for part in pair)]), short)


def _cells(delays: list[float]) -> list[str]:
    return [f"{median(delays):.1f}", f"{max(delays):.1f}"] if delays else ["", ""]


_TOLD = f"""\
`python worker.py` beside a worker of the Temporal SDK with one workflow and one activity (`benchmarks/bare_worker.py`),
against a real development server, with compiled modules. Each start finds a run waiting: its first poll is when the
server gives out that run's workflow task, by the history. Medians of {_PAIRS} pairs; "more" is the median difference
within a pair. Idle is {_IDLE:.0f} s after a run that is over.

Recovery: {WAITING} runs that are polled every {INTERVAL:.0f} s and {WAITING} every {NEAR:.0f} s (the worker
itself waits for every other question), {BUSY} whose poll the provider does not answer and {BUSY} in the middle of a
file are known to one worker; a second one starts, the first is killed. For waiting runs it is counted from the moment
at which the next question is due to that question, for bare ones from a timer that fires to the workflow task done,
otherwise from the kill to the provider's next request. To reach: at most {_WITHIN} s more than bare, and less than
{_RECOVERED:.0f} s for waiting runs."""
