"""From a connection into a file: in constant memory, in the connection's thread, as long as the body keeps the pace."""

import asyncio
import time
from collections.abc import Callable
from itertools import cycle
from mmap import mmap
from typing import Protocol

from media.guard import FetchFailed
from media.storage import BLOCK
from media.transport import Connection, Receive

PACE_BYTES, PACE_SECONDS = 64 * 1024, 30.0
"""A body that brings fewer bytes in this time is given up: a server that drips would hold the download for hours."""
_SHOWN_SECONDS = 0.1
"""Between two writes of what comes slowly, for those who watch."""


class Growing(Protocol):
    """A file that bytes are added to."""

    size: int

    def append(self, block: memoryview) -> None:
        """Blocking. The block may change as soon as the next one was appended."""


async def receive_all(connection: Connection, into: Growing, most: int, end: Callable[[], int] | None = None) -> None:
    """Append the body, until it ends, or until `into` has as many bytes as `end` says, which may change its mind.

    What came before a failure or a cancellation is appended too, and nothing is after it. Raises FetchFailed, also when
    `into` would grow beyond `most` bytes, httpx.RequestError, and OSError when the disk refuses.
    """
    loop, fresh = asyncio.get_running_loop(), 0

    def came(size: int) -> None:
        nonlocal fresh
        fresh += size
        if fresh >= PACE_BYTES:
            fresh = 0
            loop.call_soon_threadsafe(extend)

    def extend() -> None:
        if not pace.expired():
            pace.reschedule(loop.time() + PACE_SECONDS)

    try:
        async with asyncio.timeout(PACE_SECONDS) as pace:
            await connection.run(_copy, connection.receive, into, most, end or (lambda: most + 1), came)
    except TimeoutError:
        raise FetchFailed(f"fewer than {PACE_BYTES} bytes came in {PACE_SECONDS:.0f} s") from None


def _copy(receive: Receive, into: Growing, most: int, end: Callable[[], int], came: Callable[[int], None]) -> None:
    # One is hashed, one filled. Unlike a bytearray, it takes time and memory only as far as it is filled.
    buffers = cycle((memoryview(mmap(-1, BLOCK)), memoryview(mmap(-1, BLOCK))))
    size = 1
    while size and (room := end() - into.size) > 0:
        buffer, filled, begun = next(buffers)[:room], 0, time.monotonic()
        try:
            while size and filled < len(buffer) and time.monotonic() - begun < _SHOWN_SECONDS:
                size = receive(buffer[filled:])
                filled += size
                if into.size + filled > most:
                    raise FetchFailed(f"the file is larger than {most} bytes")
        finally:
            # Also when the connection drops: what came is kept for the next attempt.
            into.append(buffer[:filled])
        came(filled)
