"""Blocks of a file that comes slowly, fetched over connections of their own before it is their turn.

Many servers limit each connection. When one proves slow, up to four more take the blocks behind the one that it brings,
and a fifth its place when it is done; each block comes into a temporary file without a name, and is appended in its
turn. A partial file is thus what it always is, a beginning of the content, and a crash costs no more than what had come
out of turn. One that is idle takes over what another one brings much more slowly than it could.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from media.cancellation import to_its_end
from media.fetch import Fetcher
from media.guard import FetchFailed, FetchRefused
from media.partial_file import PartialFile
from media.ranges import continues, strong
from media.receiving import receive_all
from media.storage import BLOCK
from media.transport import connection_of

_HELPERS = 4
_WATCHED_SECONDS = 0.5
LONG_SECONDS = 10.0
"""The rest may take a single connection so long; no help is asked for less."""
LEAST, _MOST = 8 * 1024**2, 32 * 1024**2
"""Bytes of a block: few requests, as providers may count them, but not much out of turn."""
_OUT_OF_TURN = 8
"""Blocks that may have come, or be coming, before it is their turn."""
_LOOK_SECONDS = 0.05
_MUCH_FASTER = 4
"""Times; less is no reason to break a connection off."""


class _Pace:
    """How fast something has grown since it began to."""

    def __init__(self, size: int) -> None:
        self._since, self._before = time.monotonic(), size

    def at(self, size: int) -> float:
        """Bytes a second."""
        return (size - self._before) / max(time.monotonic() - self._since, 0.001)

    def slow(self, size: int, missing: int, other: float) -> bool:
        """Whether what is missing takes too long, and a fraction of that at the pace of another one."""
        least = missing / LONG_SECONDS
        return time.monotonic() - self._since > LONG_SECONDS and self.at(size) < min(least, other / _MUCH_FASTER)


class _Block:
    """One range, in a file that vanishes with it; `size` bytes of it have come."""

    def __init__(self, start: int, end: int, folder: Path) -> None:
        self.start, self.end, self.size = start, end, 0
        self.helper: asyncio.Task[None] | None = None
        """Who fetches it."""
        self.pace = _Pace(0)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - `close` closes it

    @property
    def missing(self) -> int:
        """Bytes."""
        return self.end - self.start - self.size

    def append(self, block: memoryview) -> int:
        """Raises OSError."""
        while block:
            written = self._file.write(block)
            self.size += written
            block = block[written:]
        return 0

    def move(self, part: PartialFile) -> None:
        """Append to `part` what has come and is not in it yet."""
        while (at := part.size - self.start) < self.size:
            part.append(os.pread(self._file.fileno(), min(BLOCK, self.size - at), at))

    def close(self) -> None:
        self._file.close()


class Ahead:
    """Help for the connection that brings a file from its beginning, or from where the partial file ended."""

    def __init__(self, fetcher: Fetcher, url: str, part: PartialFile) -> None:
        self._fetcher, self._url, self._part = fetcher, url, part
        self.end = sys.maxsize
        """Where the first connection may stop, since others bring what follows."""
        self._next = self._length = 0
        self._pace = _Pace(0)
        """Of the first connection since it has help."""
        self._blocks: deque[_Block] = deque()
        """In order, from the one whose turn it is."""
        self._again: deque[_Block] = deque()
        """Those that a helper failed at."""
        self._watching: asyncio.Task[None] | None = None
        self._helpers: list[asyncio.Task[None]] = []
        self._taken = 0

    @property
    def helped(self) -> bool:
        """Whether it had to."""
        return bool(self._helpers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._helpers, *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fetcher.spare += self._taken
        for block in self._blocks:
            await asyncio.to_thread(block.close)

    def watch(self, response: httpx.Response) -> None:
        """See how fast the first connection is, and help it when it is slow and the server knows ranges."""
        version = self._part.version
        if version.length and strong(version) and (response.status_code == 206 or _takes_ranges(response)):
            self._length = version.length
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            before = self._part.size
            await asyncio.sleep(_WATCHED_SECONDS)
            rest, pace = self._length - self._part.size, (self._part.size - before) / _WATCHED_SECONDS
            if rest < 2 * LEAST:
                return
            if rest > pace * LONG_SECONDS:
                break
        self._taken = min(_HELPERS, self._fetcher.spare, -(-rest // LEAST) - 1)
        self._fetcher.spare -= self._taken
        if self._taken:
            self._next, self._pace = self._part.size, _Pace(self._part.size)
            self.end = self._next = self._block_end()
            self._helpers = [asyncio.create_task(self._help()) for _ in range(self._taken)]

    def _block_end(self) -> int:
        """Towards the file's end blocks are smaller, so that all connections are done at about the same time."""
        size = (self._length - self._next) // (2 * _HELPERS)
        return min(self._next + min(max(size, LEAST), _MOST), self._length)

    async def _help(self) -> None:
        """Fetch blocks until one fails, which is left to the others: a server may not want so many connections."""
        try:
            whole, pace = True, 0.0
            while whole:
                block = await self._block(pace)
                block.helper, block.pace = asyncio.current_task(), _Pace(block.size)
                whole = await self._fetched(block)
                pace = block.pace.at(block.size)
        finally:
            if all(task.done() or task is asyncio.current_task() for task in self._helpers):
                self.end = sys.maxsize  # nobody is left

    async def _fetched(self, block: _Block) -> bool:
        try:
            with suppress(FetchFailed, FetchRefused, OSError):
                await self._fetch(block)
            return not block.missing
        finally:
            block.helper = None
            if block.missing:
                self._again.append(block)

    async def _block(self, pace: float) -> _Block:
        """The next to fetch; when there is none, one may come back until all is done."""
        while not self._again:
            if self._next < self._length and len(self._blocks) < _OUT_OF_TURN:
                block = _Block(self._next, self._block_end(), self._part.folder)
                self._next = block.end
                self._blocks.append(block)
                return block
            self._take_over(pace)
            await asyncio.sleep(_LOOK_SECONDS)
        return self._again.popleft()

    def _take_over(self, pace: float) -> None:
        """Break off a connection whose rest would come much faster at this pace; what it has brought stays.

        Its helper ends with it, so that this cannot go on for ever.
        """
        part = self._part
        if part.size < self.end and self._pace.slow(part.size, self.end - part.size, pace):
            # It stops when it looks at `end` again; what it brings until then will be skipped in the block.
            block = _Block(part.size, self.end, part.folder)
            self.end = block.start
            self._blocks.appendleft(block)
            self._again.append(block)
            return
        for block in self._blocks:
            if block.helper and block.pace.slow(block.size, block.missing, pace):
                block.helper.cancel()
                return

    async def _fetch(self, block: _Block) -> None:
        version, start = self._part.version, block.start + block.size
        headers = {"Range": f"bytes={start}-{block.end - 1}", "If-Range": str(version.validator)}
        async with self._fetcher.get(self._url, headers) as response:
            if response.status_code == 206 and continues(response, start, version):
                size = block.end - block.start
                await receive_all(connection_of(response), block, size, lambda: size)

    async def append_all(self) -> None:
        """Append what the helpers bring, in order; to the file's end, or until there is no helper left."""
        if self.end <= self._part.size:
            self._helpers.append(asyncio.create_task(self._help()))  # in place of the first connection
        while self.end <= self._part.size < self._length:
            if not self._blocks:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            block = self._blocks[0]
            if self._part.size < block.start + block.size:
                await to_its_end(asyncio.create_task(asyncio.to_thread(block.move, self._part)))
            elif block.missing:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                await asyncio.to_thread(block.close)  # a large file takes its time to vanish
                self._blocks.popleft()


def _takes_ranges(response: httpx.Response) -> bool:
    return "bytes" in response.headers.get("Accept-Ranges", "").lower()
