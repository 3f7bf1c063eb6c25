"""Whether a worker's memory grows with the generations that it has done. `GENERATIONS=2000 make bench BENCH=leak`."""

import asyncio
import os
import tempfile
from pathlib import Path
from statistics import median

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.machine import pss_bytes
from benchmarks.section import Section, table
from tests.support.processes import API_KEY, DevServer, worker_process
from tests.support.provider import Provider
from tests.support.runs import Runs, request

_GENERATIONS = 10_000
_AT_ONCE = 20
_SAMPLES = 20
_FIRST = 1000
"""Until then caches and pools fill."""
_MOST = 0.1
"""Growth, as a share."""


def run() -> Section:
    """Measure."""
    provider = Provider()
    provider.on_query["leak"] = lambda task: provider.status(task, "completed")
    provider.start()
    with tempfile.TemporaryDirectory() as name:
        server = DevServer(Path(name))
        try:
            return asyncio.run(_measured(server, provider, Path(name)))
        finally:
            server.kill()
            provider.stop()


async def _measured(server: DevServer, provider: Provider, folder: Path) -> Section:
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    env = {
        "TEMPORAL_ADDRESS": server.address,
        "MANXUE_API_KEY": API_KEY,
        "MANXUE_BASE_URL": provider.url,
        "MANXUE_OUTPUT": str(folder / "videos"),
    }
    runs, generations = Runs(client, "manxue"), int(os.environ.get("GENERATIONS", _GENERATIONS))
    numbers, sizes = iter(range(generations)), {}
    with worker_process(folder, env) as worker:
        sizes[0] = pss_bytes(worker.process.pid)

        async def some() -> None:
            for number in numbers:
                poll = {"first": 0, "interval": 1}
                handle = await runs.start(request=request(f"leak {number}"), preview=False, poll=poll)
                await handle.result()
                done = number + 1
                if done % max(generations // _SAMPLES, 1) == 0 or done == _FIRST:
                    sizes[done] = pss_bytes(worker.process.pid)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        await asyncio.sleep(5)
        sizes[generations] = pss_bytes(worker.process.pid)
    return _section(sizes, generations)


def _section(sizes: dict[int, int], generations: int) -> Section:
    """By how many generations were done: the size then. Runs are under way at each, so single sizes mean little."""
    first, half = min(_FIRST, generations // 10), generations // 2
    early = median(size for done, size in sizes.items() if first <= done <= half)
    late = median(size for done, size in sizes.items() if done > half)
    growth = late - early
    told = (
        f"{generations} generations through one worker, {_AT_ONCE} at a time, each from the checks to the verified "
        "file: real worker, server and HTTP. Proportional set size of the worker, with the runs that are under way.\n"
        f"From the median of {first} to {half} generations to that of those after them: **{growth / 1e6:+.1f} MB**, "
        f"{growth / early:+.1%}; to reach: at most {_MOST:.0%}."
    )
    rows = [[str(done), f"{size / 1e6:.1f}"] for done, size in sorted(sizes.items())]
    short = [f"leak: memory grows by {growth / early:.0%}"] if growth > _MOST * early else []
    return Section(f"{told}\n\n{table(['Generations', 'PSS, MB'], rows, words=0)}", short)
