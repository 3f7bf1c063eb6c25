"""The job for DBOS, whose engine is a library: it keeps its steps in a SQLite file."""

import asyncio
from typing import Any

from dbos import DBOS, DBOSConfig

from benchmarks.jobs.steps import ENGINE, PAUSE, Steps

NAME = "generate"
QUEUE = "generations"
_steps: Steps


@DBOS.step()
async def _create(request: dict[str, Any]) -> str:
    return await _steps.create(request)


@DBOS.step()
async def _status(task_id: str) -> str:
    return str((await _steps.query(task_id))["status"])


@DBOS.step()
async def _fetch(task_id: str) -> int:
    return await _steps.fetch(task_id)


@DBOS.step()
async def _validate(request: dict[str, Any]) -> None:
    """Nothing, as in the other implementations."""


@DBOS.workflow(name=NAME)
async def generate(request: dict[str, Any]) -> int:
    """Six steps, of which three are polls, and three durable sleeps."""
    await _validate(request)
    task_id = await _create(request)
    status = "queued"
    while status != "completed":
        await DBOS.sleep_async(PAUSE)
        status = await _status(task_id)
    size: int = await _fetch(task_id)
    return size


def configuration() -> DBOSConfig:
    """Of the worker."""
    return {
        "name": "bench",
        "system_database_url": ENGINE,
        "application_version": "1",
        "log_level": "ERROR",
    }


async def _serve() -> None:
    global _steps  # noqa: PLW0603 - DBOS calls module functions
    DBOS(config=configuration())
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE)
    _steps = Steps()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
