"""A heartbeat for long activities that keeps time by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

_BEATS_PER_TIMEOUT = 6


@asynccontextmanager
async def heartbeating(details: Callable[[], Any] = lambda: None, longest: float = 10.0) -> AsyncIterator[None]:
    """Heartbeat with `details()` while the block runs, several times per heartbeat timeout of the activity.

    And once more when it fails, for the next attempt; not before the first interval is over, since most blocks are
    over by then and each beat is a call to the server.
    `longest` is the most seconds between two beats; the worker passes on no more than one in 2 s.
    """
    timeout = activity.info().heartbeat_timeout
    every = min(timeout.total_seconds() / _BEATS_PER_TIMEOUT, longest) if timeout else longest

    async def beat() -> None:
        while True:
            await asyncio.sleep(every)
            activity.heartbeat(details())

    task = asyncio.create_task(beat())
    try:
        yield
    except BaseException:
        activity.heartbeat(details())
        raise
    finally:
        task.cancel()
