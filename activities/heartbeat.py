"""A heartbeat for long activities that keeps time by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

_BEATS_PER_TIMEOUT = 6


@asynccontextmanager
async def heartbeating(details: Callable[[], Any]) -> AsyncIterator[None]:
    """Heartbeat with `details()` while the block runs, several times per heartbeat timeout of the activity."""
    timeout = activity.info().heartbeat_timeout
    every = timeout.total_seconds() / _BEATS_PER_TIMEOUT if timeout else 10.0

    async def beat() -> None:
        while True:
            activity.heartbeat(details())
            await asyncio.sleep(every)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
