"""The reference of `in_flight`: a worker whose workflow only waits and polls, and whose poll does nothing."""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "bare"
WORKFLOW = "BareWaiting"


@dataclass
class Rhythm:
    """Seconds to the first poll, and between polls."""

    first: float
    interval: float


@workflow.defn(name=WORKFLOW)
class BareWaiting:
    """Timers and polls as `GenerateVideo` has them, without end."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self, rhythm: Rhythm) -> None:
        """Wait, poll, and again."""
        wait = rhythm.first
        while True:
            wait *= 0.9 + 0.2 * workflow.random().random()
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: self._asked, timeout=wait)
            await workflow.execute_activity(poll, start_to_close_timeout=timedelta(seconds=45))
            wait = rhythm.interval


@activity.defn
async def poll() -> str:
    """One poll, counted as a byte on standard output."""
    os.write(sys.stdout.fileno(), b".")
    return "processing"


async def _main(address: str, cached: int) -> None:
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[BareWaiting],
        activities=[poll],
        max_cached_workflows=cached,
        max_concurrent_activities=300,
    )
    async with worker:
        print("worker.started", file=sys.stderr, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
