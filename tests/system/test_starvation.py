"""Downloads that take for ever delay nothing but downloads."""

import asyncio
import threading
from pathlib import Path

from temporalio.client import Client

from tests.support.processes import worker_process
from tests.support.provider import Provider
from tests.support.runs import Runs, outcome, request, until_phase

SLOTS = 2


async def test_a_run_gets_to_its_download_while_others_hold_all_slots(
    client: Client, worker_env: dict[str, str], provider: Provider, folder: Path
) -> None:
    """Submitted, polled and rendered meanwhile; then all of them are delivered, also by the next worker."""
    env = {
        **worker_env,
        "MANXUE_TASK_QUEUE": "starved",
        "MANXUE_MAX_DOWNLOADS": str(SLOTS),
        "MANXUE_SHUTDOWN_GRACE": "1",
    }
    full_speed = provider.drips["drips"] = threading.Event()
    runs = Runs(client, "starved")
    with worker_process(folder, env) as worker:
        held = [await runs.start(request=request(f"drips {n}"), preview=False) for n in range(SLOTS + 2)]
        await asyncio.gather(*(until_phase(handle, "downloading") for handle in held))
        await _fetching(provider, SLOTS)
        late = await runs.start(request=request("late"), preview=False)
        await until_phase(late, "downloading")
        fetching = _asked(provider)
        assert len(fetching) == SLOTS, "no slot has become free meanwhile"
        assert worker.stop() == 0
    full_speed.set()
    with worker_process(folder, env):
        results = [await outcome(handle) for handle in [*held, late]]
    assert len({result["task_id"] for result in results}) == SLOTS + 3
    assert all(provider.ranges[task][-1] for task in fetching), "what had come before the stop was kept"
    assert len(provider.creates_of("drips")) == SLOTS + 2, "nothing was paid twice"


def _asked(provider: Provider) -> list[str]:
    """Tasks whose file was asked for."""
    return [task for task in provider.ranges if "drips" in provider.tasks[task].body["prompt"]]


async def _fetching(provider: Provider, count: int) -> None:
    async with asyncio.timeout(60):
        while len(_asked(provider)) < count:
            await asyncio.sleep(0.1)
