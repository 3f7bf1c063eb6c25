"""A heartbeat for long activities that keeps time by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

_BEATS_PER_TIMEOUT = 6


@asynccontextmanager
async def heartbeating(
    details: Callable[[], Any] = lambda: None, longest: float = 10.0, *, at_once: bool = True
) -> AsyncIterator[None]:
    """Heartbeat with `details()` while the block runs, several times per heartbeat timeout of the activity.

    `longest` is the most seconds between two beats; the worker passes on no more than one in 2 s. Unless `at_once`,
    the first one comes one interval later, so that a quick activity costs none.
    """
    timeout = activity.info().heartbeat_timeout
    every = min(timeout.total_seconds() / _BEATS_PER_TIMEOUT, longest) if timeout else longest

    async def beat() -> None:
        if not at_once:
            await asyncio.sleep(every)
        while True:
            activity.heartbeat(details())
            await asyncio.sleep(every)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
