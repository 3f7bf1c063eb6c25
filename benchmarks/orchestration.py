"""What one generation costs the processor of the worker, beside the same job in other hands."""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import picture
from benchmarks.jobs.running import BARE, OURS, POSTGRESQL, SQLITE, WHOLE, Job, celery, dbos, plain, postgres, temporal
from benchmarks.machine import cpu_seconds, cpu_seconds_of_all, missing
from benchmarks.section import Section, table
from tests.support.processes import DevServer
from tests.support.provider import Provider
from tests.support.runs import request

GENERATIONS, WARM_UP, ROUNDS = 20, 6, 4
WITHIN = 1.25
"""Times the bare workflow: what orchestration may cost."""


def run() -> Section:
    """Measure."""
    provider = Provider()
    provider.start()
    with tempfile.TemporaryDirectory() as name:
        try:
            return asyncio.run(_measured(provider, Path(name)))
        finally:
            provider.stop()


async def _measured(provider: Provider, folder: Path) -> Section:
    with ExitStack() as running:
        server = DevServer(folder)
        running.callback(server.kill)
        jobs = [
            *await temporal(running, server, provider, folder),
            running.enter_context(plain(provider, folder)),
        ]
        if missing("initdb", "postgres"):
            jobs.append(running.enter_context(dbos(provider, folder, SQLITE, f"sqlite:///{folder / 'dbos.sqlite'}")))
        else:
            database = running.enter_context(postgres())
            jobs.append(running.enter_context(dbos(provider, folder, POSTGRESQL, *database)))
        if not missing("redis-server"):
            jobs.append(running.enter_context(celery(provider, folder)))
        for job in jobs:
            await _begin(job, provider, WARM_UP)
        for number in range(ROUNDS):
            for job in jobs if number % 2 else reversed(jobs):
                before = _busy(job)
                await _begin(job, provider, GENERATIONS)
                used = [(now - then) / GENERATIONS * 1e3 for now, then in zip(_busy(job), before, strict=True)]
                job.worker_ms.append(used[0])
                job.media_ms.append(used[1])
                job.engine_ms.append(used[2])
    return _section({job.name: job for job in jobs})


def _busy(job: Job) -> tuple[float, float, float]:
    """Seconds of the worker, of what reads its files, and of the engine."""
    itself, children = cpu_seconds(job.pid), cpu_seconds_of_all(job.pid)
    engine = cpu_seconds_of_all(job.engine) if job.engine else 0.0
    return (itself, children - itself, engine) if job.judges else (children, 0.0, engine)


async def _begin(job: Job, provider: Provider, count: int) -> None:
    """So many generations, to their ends."""
    served = len(provider.ranges)
    await job.start([request("a lighthouse at dawn", ratio="16:9") for _ in range(count)])
    async with asyncio.timeout(90):
        while len(provider.ranges) < served + count:  # noqa: ASYNC110 - the provider runs in another thread
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # what comes after the file


def _section(jobs: dict[str, Job]) -> Section:
    bare = jobs[BARE]
    rows = []
    for job in jobs.values():
        cells = [median(job.worker_ms), median(job.media_ms), median(job.engine_ms)]
        worker, media, engine = (f"{cell:.0f}" if cell else "" for cell in cells)
        rows.append([job.name, worker, f"{_ratio(job, bare):.2f}", media, engine])
    short = [
        f"orchestration: {name}: {ratio:.2f} times {against.name}, to reach {most}"
        for name in (OURS, WHOLE)
        for against, most in ((bare, WITHIN), (jobs[POSTGRESQL if POSTGRESQL in jobs else SQLITE], 1.0))
        if (ratio := _ratio(jobs[name], against)) > most
    ]
    shown = {name: median(job.worker_ms) for name, job in jobs.items()}
    reach = WITHIN * median(bare.worker_ms)
    chart = picture.bars("orchestration", "Processor time of the worker for each generation", "ms", shown, reach)
    heads = ["", "worker, ms", "of bare Temporal", "reading the file, ms", "engine, ms"]
    absent = ", ".join(missing("redis-server", "initdb", "postgres"))
    left_out = f"Left out is what needs a program that is not on PATH: {absent}." if absent else ""
    reached = "All reached." if not short else f"Missed: {'; '.join(short)}."
    return Section("\n".join([_METHOD, left_out, reached, "", table(heads, rows), "", chart]), short)


def _ratio(job: Job, other: Job) -> float:
    """The median of the rounds."""
    return median(ours / theirs for ours, theirs in zip(job.worker_ms, other.worker_ms, strict=True))


_METHOD = f"""\
Processor time of the worker for each generation, from the kernel, with the children of a worker that has some: create,
three polls a second apart, fetch a video of 4 s. {ROUNDS} rounds of {GENERATIONS} generations at a time, in turn and
then in reverse; medians, of ratios too. Real dev server (SQLite, WAL, not synced), real HTTP to a scripted provider.

- **{OURS}**: `GenerateVideo` as the worker runs it, with activities that send the HTTP calls and do nothing else.
- **{WHOLE}**: `worker.py` with its own activities: the rules, a look at earlier runs, the record around the create
  call, the file hashed, synced and delivered with its manifest. What a process of its own takes to read the file to
  its last packet is beside it. No pictures.
- **{BARE}**: the commands of such a run in its order (six activities, three timers, six upserts of search attributes,
  one of the memo), no logic, and the same HTTP calls as in the first; as the SDK does by default, in its sandbox, and
  without.
- **DBOS**: the same steps and durable sleeps. Its engine is a library, whose time is the worker's. On PostgreSQL, or
  where there is none on SQLite, whose time is the worker's too.
- **Celery**: a task for each step, acknowledged late, Redis with an append-only file.
- **plain asyncio**: survives nothing.

To reach, for both of ours: at most {WITHIN} times bare Temporal, and below DBOS.
"""
