"""From a connection into a file: in constant memory, in the connection's thread, as long as the body keeps the pace."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
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

    def append(self, block: memoryview) -> int:
        """Blocking. How many of the last blocks, this one included, must not change yet."""


async def receive_all(connection: Connection, into: Growing, most: int, end: Callable[[], int] | None = None) -> None:
    """Append the body, until it ends, or until `into` has as many bytes as `end` says, which may change its mind.

    What came before a failure or a cancellation is appended too, and nothing is after it. Raises FetchFailed, also when
    `into` would grow beyond `most` bytes, httpx.RequestError, and OSError when the disk refuses.
    """
    loop, fresh, extended = asyncio.get_running_loop(), 0, 0.0

    def came(size: int) -> None:
        nonlocal fresh, extended
        fresh += size
        # Each time wakes the loop's thread, which slows a fast download down.
        if fresh >= PACE_BYTES and time.monotonic() - extended > PACE_SECONDS / 20:
            fresh, extended = 0, time.monotonic()
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
    buffers: deque[memoryview] = deque()
    size, busy = 1, 0
    while size and (room := end() - into.size) > 0:
        # Unlike a bytearray, it takes time and memory only as far as it is filled.
        buffers.append(buffers.popleft() if len(buffers) > busy else memoryview(mmap(-1, BLOCK)))
        buffer, filled, begun = buffers[-1][:room], 0, time.monotonic()
        try:
            while size and filled < len(buffer) and time.monotonic() - begun < _SHOWN_SECONDS:
                size = receive(buffer[filled:])
                filled += size
                if into.size + filled > most:
                    raise FetchFailed(f"the file is larger than {most} bytes")
        finally:
            # Also when the connection drops: what came is kept for the next attempt.
            busy = into.append(buffer[:filled])
        came(filled)
