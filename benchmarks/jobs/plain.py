"""A plain asyncio script, which survives nothing. Each line on standard input is a request to begin."""

import asyncio
import json
import sys
from typing import Any

from benchmarks.jobs.steps import PAUSE, Steps


async def _one(steps: Steps, request: dict[str, Any]) -> None:
    task_id = await steps.create(request)
    status = "queued"
    while status != "completed":
        await asyncio.sleep(PAUSE)
        status = (await steps.query(task_id))["status"]
    await steps.fetch(task_id)


async def _serve() -> None:
    steps = Steps()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    print("ready", flush=True)
    async with asyncio.TaskGroup() as jobs:
        while line := await reader.readline():
            jobs.create_task(_one(steps, json.loads(line)))


if __name__ == "__main__":
    asyncio.run(_serve())
