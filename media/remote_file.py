"""Pieces of a file on somebody else's server: by ranges where the server knows them, and never more than a few."""

import re
import time

import httpx

from media.fetch import Fetcher
from media.guard import FetchFailed

BLOCK = 64 * 1024
"""Bytes. What is asked for are whole blocks, those of one `read` by one request where they lie side by side."""

PASSING = (408, 425, 429)
"""Refusals that are about the moment and not about the file."""


class _Finding(Exception):
    """`remedy` is what would mend it, where that is more than giving another file."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


class MediaUnreadable(_Finding):
    """The medium is not there or not what it should be: a finding, which asking again does not change."""


class NotExamined(_Finding):
    """Looking at the medium takes more bytes or time than it may, so nothing is known about it."""


class RemoteFile:
    """A file behind a URL, read in blocks that are each fetched once and kept: no more than `most` bytes of it.

    Of a server that ignores `Range`, or answers with another one than it was asked for, the beginning is all there is.
    """

    def __init__(self, fetcher: Fetcher, url: str, most: int) -> None:
        self.length: int | None = None
        """In bytes, once a block was read; None when the server does not say."""
        self.fetched = 0
        """Bytes that came."""
        self.seconds = 0.0
        """Spent on waiting for them."""
        self._fetcher, self._url, self._most = fetcher, url, most
        self._blocks: dict[int, bytes] = {}
        self._beginning_only = False

    async def read(self, start: int, size: int) -> bytes:
        """The bytes from `start` on, fewer only at the end of the file.

        Raises MediaUnreadable when the server refuses, NotExamined, FetchFailed or FetchRefused.
        """
        parts, end = [], start + size
        while start < end and (self.length is None or start < self.length):
            number, skip = divmod(start, BLOCK)
            piece = (await self._block(number, (end - 1) // BLOCK))[skip : skip + end - start]
            if not piece:
                break
            parts.append(piece)
            start += len(piece)
        return b"".join(parts)

    async def exactly(self, start: int, size: int) -> bytes:
        """As `read`; a file that ends before is MediaUnreadable."""
        content = await self.read(start, size)
        if len(content) < size:
            raise MediaUnreadable("ends in the middle of its header")
        return content

    async def _block(self, number: int, last: int) -> bytes:
        """With those up to `last` that are missing, too: each request costs a round trip or two."""
        if number not in self._blocks:
            count = self._missing(number, last)
            if self._beginning_only or self.fetched + count * BLOCK > self._most:
                raise self._not_enough()
            begun = time.monotonic()
            try:
                await self._fetch(number, count)
            finally:
                self.seconds += time.monotonic() - begun
        if number not in self._blocks and (self.length is None or number * BLOCK < self.length):
            raise self._not_enough()
        return self._blocks.get(number, b"")

    def _missing(self, number: int, last: int) -> int:
        """How many blocks from this one on have to be fetched; one, until the length is known."""
        end = 1 + (number if self.length is None else min(last, (self.length - 1) // BLOCK))
        return next((there for there in range(number, end) if there in self._blocks), end) - number

    def _not_enough(self) -> NotExamined:
        read = f"{self.fetched // 1024} KiB of it do not suffice"
        if self._beginning_only:
            remedy = "write it anew with its index at the beginning, or put it where ranges are served"
            return NotExamined(f"its server knows no ranges, and the first {read}", remedy)
        return NotExamined(f"the {read}", "write it anew with its index at the beginning")

    async def find_end(self, most: int) -> None:
        """Learn the length where the server does not say it: by reading on, and keeping nothing.

        Raises MediaUnreadable when more than `most` bytes come, and as `read` does.
        """
        if self.length is not None:
            return
        begun = time.monotonic()
        try:
            async with self._fetcher.get(self._url) as response:
                size = 0
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    self.fetched += len(chunk)
                    if size > most:
                        raise MediaUnreadable(
                            f"does not end: its server gives no length, and more than {most // 1024**2} MB came",
                            "give the URL of a smaller file, or put it where its length is given",
                        )
                self.length = size
        finally:
            self.seconds += time.monotonic() - begun

    async def _fetch(self, number: int, count: int) -> None:
        start, end = number * BLOCK, (number + count) * BLOCK
        async with self._fetcher.get(self._url, {"Range": f"bytes={start}-{end - 1}"}) as response:
            if response.status_code == 206 and (total := _total(response, start)) is not None:
                await self._keep_range(response, range(start, min(end, total)), total)
                return
            if response.status_code not in (206, 416):
                await self._keep_beginning(response)
                return
        async with self._fetcher.get(self._url) as response:  # ranges are broken, or the file is empty
            await self._keep_beginning(response)

    async def _keep_range(self, response: httpx.Response, wanted: range, total: int) -> None:
        if self.length not in (None, total):
            raise FetchFailed("the file changed while it was looked at")
        self.length = total
        content = await self._receive(response, len(wanted))
        if len(content) < len(wanted):
            raise FetchFailed("the server sent fewer bytes than it announced")
        self._keep(content, wanted.start)

    async def _keep_beginning(self, response: httpx.Response) -> None:
        status = response.status_code
        if 400 <= status < 500 and status not in PASSING:
            raise MediaUnreadable(f"cannot be fetched: its server answers {status}")
        if status != 200:
            raise FetchFailed(f"its server answers {status}")
        limit = max(BLOCK, (self._most - self.fetched) // BLOCK * BLOCK)
        content = await self._receive(response, limit)
        if len(content) < limit:
            self.length = len(content)
        else:
            length = response.headers.get("Content-Length", "")
            self.length = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        self._keep(content, 0)
        self._beginning_only = True

    def _keep(self, content: bytes, start: int) -> None:
        for at in range(0, len(content), BLOCK):
            self._blocks[(start + at) // BLOCK] = content[at : at + BLOCK]

    async def _receive(self, response: httpx.Response, most: int) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            self.fetched += len(chunk)
            if len(body) >= most:
                break
        return bytes(body[:most])


def _total(response: httpx.Response, start: int) -> int | None:
    """The file's length where a partial answer begins as it was asked to, and says of how much it is a part."""
    given = str(response.headers.get("Content-Range", "")).strip()
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})", given)
    return int(match[2]) if match and int(match[1]) == start < int(match[2]) else None
