"""How soon a worker that was away has asked what it is late with, and whether new runs wait behind that."""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from benchmarks.picture import bars
from benchmarks.section import Section, table
from benchmarks.waiting_kinds import Bare, Kind, Ours
from benchmarks.waiting_runs import Scene, scene

_RUNS = 2000
_EVERY = 60.0
"""Seconds between the polls of each, and longer than that is the worker away."""
_AWAY = 90.0
_NEW = 5
"""Runs that are started when the worker comes back."""
_SHARES = (0.5, 0.9, 0.99, 1.0)
_LONGEST = 300.0


def run() -> Section:
    """Measure. `RUNS=450 make bench BENCH=overdue` takes fewer."""
    runs = int(os.environ.get("RUNS", _RUNS))
    found: dict[str, tuple[dict[float, float], float]] = {}
    for kind in (Ours(), Bare()):
        with tempfile.TemporaryDirectory() as folder:
            found[kind.name] = asyncio.run(_measured(kind, Path(folder), runs))
    return _section(runs, found)


async def _measured(kind: Kind, folder: Path, runs: int) -> tuple[dict[float, float], float]:
    async with scene(kind, folder, _EVERY) as waiting:
        with waiting.worker(2 * runs):
            await waiting.start(runs, _EVERY)
            await waiting.steady()
        await asyncio.sleep(_AWAY)
        asked = kind.polls()
        with waiting.worker(2 * runs):
            return await _caught_up(kind, waiting, asked, runs)


async def _caught_up(kind: Kind, waiting: Scene, asked: int, runs: int) -> tuple[dict[float, float], float]:
    """Seconds from the worker's start until shares of the runs have been asked about, and until the new ones wait."""
    began, at, new = time.monotonic(), dict[float, float](), 0.0
    starting = asyncio.create_task(waiting.start(runs + _NEW, _EVERY))
    while (len(at) < len(_SHARES) or not new) and (now := time.monotonic() - began) < _LONGEST:
        at |= {share: now for share in _SHARES if kind.polls() - asked >= share * runs and share not in at}
        new = new or (now if kind.waiting(runs + _NEW) >= runs + _NEW else 0.0)
        await asyncio.sleep(0.1)
    await starting
    return at, new


def _section(runs: int, found: dict[str, tuple[dict[float, float], float]]) -> Section:
    told = (
        f"{runs} runs wait on one worker, each polled every {_EVERY:.0f} s. It is killed, and after {_AWAY:.0f} s, "
        f"when all are overdue, another one starts, and {_NEW} new runs with it. Seconds from then until so many "
        "questions have been asked (of ours a few runs' second ones are among them), and until the new runs have been "
        "bought. Beside ours, one after the other, a workflow with a timer and an activity for each poll that does "
        "nothing, as in `in_flight`, which buys nothing either."
    )
    rows = [
        [name, *(f"{at.get(share, float('nan')):.1f}" for share in _SHARES), f"{new:.1f}" if name == Ours.name else ""]
        for name, (at, new) in found.items()
    ]
    heads = ["", *(f"{share:.0%}, s" for share in _SHARES), "new runs bought, s"]
    picture = bars(
        "overdue", "All overdue questions asked", "s", {name: at.get(1.0, _LONGEST) for name, (at, _) in found.items()}
    )
    return Section("\n\n".join([told, table(heads, rows), picture]))
