"""What must not be broken off in the middle."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(running: asyncio.Future[T], hurry: Callable[[], None] = lambda: None) -> T:
    """Wait for it even when cancelled, then with `hurry`: nothing that it does may go on behind the caller's back."""
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancelled = error
            hurry()
    failure = running.exception()
    if cancelled:
        raise cancelled
    if failure:
        raise failure
    return running.result()
