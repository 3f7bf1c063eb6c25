"""The reference of `start_stop`: a Temporal worker as one is written that does nothing but wait and ask."""

import asyncio
import signal
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "bare"
WORKFLOW = "BareWaiting"


@workflow.defn(name=WORKFLOW)
class BareWaiting:
    """Timers with an activity after each."""

    @workflow.run
    async def run(self, interval: float) -> None:
        """So many seconds between two; ends at once when there are none."""
        while interval:
            await workflow.sleep(interval)
            await workflow.execute_activity(ask, start_to_close_timeout=timedelta(seconds=45))


@activity.defn
async def ask() -> None:
    """Nothing."""


async def _main(address: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await Client.connect(address)
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[BareWaiting], activities=[ask]):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
