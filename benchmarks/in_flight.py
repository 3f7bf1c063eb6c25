"""Many runs that wait for their renders on one worker, and what a bare Temporal workflow costs in their place."""

import asyncio
import tempfile
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

from benchmarks.machine import pss_bytes
from benchmarks.picture import bars
from benchmarks.section import Section, table
from benchmarks.waiting_kinds import Bare, Kind, Ours
from benchmarks.waiting_runs import Scene, Watched, scene
from workflows.policies import LONGEST_PLAN, POLLS_AHEAD

_MOST_BYTES = 120_000
_LATE = {0.5: 1.0, 0.99: 3.0}
"""Quantile -> seconds by which polls may be late, where the machine has idle processors."""
_IDLE = 0.1
"""Cores. With fewer, polls are late because the machine is busy, and neither that nor a collapse is judged."""
_FEW = 75
"""Runs after which a worker has everything in memory that it needs whatever their number."""
_OFTEN = 20.0
"""Seconds between the polls of these, so that one need not wait for them."""
_COLLAPSE = 0.8
"""Of the polls a second that there were with room for all runs."""


async def _measured(folder: Path, runs: int, interval: float, seconds: float) -> Section:
    kinds: list[Kind] = [Ours(), Bare()]
    async with AsyncExitStack() as stack:
        scenes = [await stack.enter_async_context(scene(kind, folder, interval)) for kind in kinds]
        with ExitStack() as workers:
            pids = [workers.enter_context(one.worker(2 * runs)) for one in scenes]
            sizes = []
            for count, every in ((_FEW, min(interval, _OFTEN)), (runs, interval)):
                for one in scenes:  # in turn: ours need the longer to become steady
                    await one.start(count, every)
                await asyncio.gather(*(one.steady() for one in scenes))
                sizes.append([pss_bytes(pid) for pid in pids])
            roomy = await _watched(scenes, pids, seconds)
        with ExitStack() as workers:
            pids = [workers.enter_context(one.worker(runs // 2)) for one in scenes]
            await asyncio.gather(*(one.settle() for one in scenes))
            tight = await _watched(scenes, pids, seconds)
    each = [(last - first) / (runs - _FEW) for first, last in zip(*sizes, strict=True)]
    return _section(runs, interval, each, sizes[-1], roomy, tight)


async def _watched(scenes: list[Scene], pids: list[int], seconds: float) -> list[Watched]:
    return await asyncio.gather(*(one.watch(pid, seconds) for one, pid in zip(scenes, pids, strict=True)))


def _section(
    runs: int, interval: float, each: list[float], sizes: list[int], roomy: list[Watched], tight: list[Watched]
) -> Section:
    names = [Ours.name, Bare.name]
    memory = [
        [name, f"{size / 1e3:.0f}", f"{(whole - runs * size) / 1e6:.0f}", f"{whole / 1e6:.0f}"]
        for name, size, whole in zip(names, each, sizes, strict=True)
    ]
    polls = [
        [name, cache, *_row(watched)]
        for cache, all_watched in (("all", roomy), ("half", tight))
        for name, watched in zip(names, all_watched, strict=True)
    ]
    heads = ["", "in the cache", "polls/s", "worker, ms", "server, ms", "late p50, s", "late p99, s", "idle cores"]
    asked = 1 + min(POLLS_AHEAD, max(int(LONGEST_PLAN.total_seconds() / interval), 1))
    often = f" (the first {_FEW} every {_OFTEN:.0f} s)" if interval > _OFTEN else ""
    told = (
        f"{runs} runs on one worker, each polled about every {interval:.0f} s{often}, and as many of a workflow that "
        "has a timer and an activity for each poll, as the SDK's samples do it, and whose poll does nothing, on a "
        "worker and a server of their own at the same time. Ours have been checked and submitted before, and ask a "
        f"stand-in for the provider by HTTP, which says something new every {1 + POLLS_AHEAD}st time, to each run at "
        f"another moment: so at most {asked} of our questions are attempts of one activity, before the next begin with "
        "a timer and a workflow task. Real servers (SQLite, write-ahead log, not synced), real processes. "
        f"Memory is the proportional set size, for each run by its growth from {_FEW} runs to all. Late is a poll "
        "that begins after it was due: by a timer, or, in ours, at a moment in the input of the activity. When it "
        "begins, the history says; of ours, the stand-in, when it has been asked. Then both workers are killed and "
        "started again with a cache for half of the runs: a run that is not in it is replayed at its next workflow "
        "task. What the killed worker of ours waited for is asked once by another, about 4 s late, which is some of "
        "the questions then. Milliseconds are processor time for each poll, all that goes with it included."
    )
    ratio = roomy[0].per_poll(roomy[0].worker) / roomy[1].per_poll(roomy[1].worker)
    pictures = [
        bars(
            f"in_flight_{runs}_memory",
            "Memory for each waiting run",
            "kB",
            _labelled([size / 1e3 for size in each]),
            120,
        ),
        bars(
            f"in_flight_{runs}_processor", "Worker, each poll", "ms", _labelled([w.per_poll(w.worker) for w in roomy])
        ),
    ]
    parts = [
        told,
        f"Each run: **{each[0] / 1e3:.0f} kB**, bare {each[1] / 1e3:.0f} kB.\n"
        f"Each poll: **{ratio:.2f}** times the worker's processor time of a bare one.",
        table(["", "each run, kB", "without runs, MB", "in all, MB"], memory),
        pictures[0],
        table(heads, polls, words=2),
        pictures[1],
    ]
    return Section("\n\n".join(parts), _short(each[0], roomy[0], tight[0]))


def _row(watched: Watched) -> list[str]:
    return [
        f"{watched.polls / watched.seconds:.1f}",
        f"{watched.per_poll(watched.worker):.1f}",
        f"{watched.per_poll(watched.server):.1f}",
        *(f"{watched.late_at(share):.2f}" for share in _LATE),
        f"{watched.idle:.2f}",
    ]


def _labelled(values: list[float]) -> dict[str, float]:
    return dict(zip([Ours.name, Bare.name], values, strict=True))


def _short(each: float, roomy: Watched, tight: Watched) -> list[str]:
    short = [f"in flight: {each:.0f} bytes for each run, more than {_MOST_BYTES}"] if each > _MOST_BYTES else []
    if roomy.idle >= _IDLE:
        short += [
            f"in flight: polls are late by {roomy.late_at(share):.2f} s at the quantile {share}, more than {most}"
            for share, most in _LATE.items()
            if roomy.late_at(share) > most
        ]
    if roomy.idle >= _IDLE and tight.polls / tight.seconds < _COLLAPSE * roomy.polls / roomy.seconds:
        short.append(f"in flight: with a cache for half of the runs only {tight.polls / tight.seconds:.1f} polls/s")
    return short


def _run(runs: int, interval: float, seconds: float) -> Section:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), runs, interval, seconds))


run = partial(_run, 450, 30, 20)
"""Few, so that it takes three minutes; of fewer, what is free in the heap before them decides about their memory."""
run_2000 = partial(_run, 2000, 90, 60)
run_10000 = partial(_run, 10_000, 450, 60)
