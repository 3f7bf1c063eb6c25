"""What a waiting run costs a worker, in memory and processor time: a real worker, server and HTTP API."""

import asyncio
import tempfile
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.machine import cpu_seconds, pss_bytes
from benchmarks.section import Section, table
from tests.support.processes import API_KEY, DevServer, worker_process
from tests.support.provider import Provider
from tests.support.runs import Runs, request, until

_STEPS = (50, 150, 300)
_POLLS = 3
_WATCHED = 20
"""Seconds over which processor time is counted."""
_MOST = 600_000
"""Bytes for each run; more is a step back."""


def run() -> Section:
    """Measure."""
    provider = Provider()
    provider.on_query["waiting"] = lambda task: provider.status(task, "processing")
    provider.start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = DevServer(folder)
        try:
            return asyncio.run(_measured(server, provider, folder))
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
        "MANXUE_SHUTDOWN_GRACE": "1",
    }
    runs = Runs(client, "manxue")
    pss: dict[int, int] = {}
    with worker_process(folder, env) as worker:
        started = 0
        for count in _STEPS:
            new = [
                await runs.start(request=request(f"waiting {n}"), preview=False, poll={"first": 2, "interval": 10})
                for n in range(started, count)
            ]
            for handle in new:
                await until(handle, lambda now: now["polls"] >= _POLLS)
            started, pss[count] = count, pss_bytes(worker.process.pid)
        polls, busy = _polls(provider), cpu_seconds(worker.process.pid)
        await asyncio.sleep(_WATCHED)
        polls, busy = _polls(provider) - polls, cpu_seconds(worker.process.pid) - busy
    first, last = _STEPS[0], _STEPS[-1]
    each = (pss[last] - pss[first]) / (last - first)
    rows = [[str(count), f"{size / 1e6:.0f}"] for count, size in pss.items()]
    told = (
        f"Runs that wait for their render, each polled {_POLLS} times or more; proportional set size of the worker.\n"
        f"Each run: **{each / 1e3:.0f} kB**; a worker without runs: {(pss[first] - first * each) / 1e6:.0f} MB.\n"
        f"Each poll: **{busy / polls * 1e3:.0f} ms** of processor time, its workflow tasks included; "
        f"measured at {polls / _WATCHED:.0f} polls a second."
    )
    short = [f"memory: {each:.0f} bytes for each run, more than {_MOST}"] if each > _MOST else []
    return Section(f"{told}\n\n{table(['Runs', 'PSS, MB'], rows, words=0)}", short)


def _polls(provider: Provider) -> int:
    return sum(task.queries for task in provider.tasks.values())
