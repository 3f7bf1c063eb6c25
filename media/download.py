"""One GET of a result file into a `PartialFile`, going on at the byte where an earlier one stopped."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus

import httpx

from media.fetch import Fetcher
from media.guard import FetchFailed
from media.partial_file import PartialFile, Version
from media.storage import BLOCK

MAX_BYTES = 64 * 1024**3
"""More than any video of 15 s can be; an endless body stops here."""
PACE_BYTES, PACE_SECONDS = 64 * 1024, 30.0
"""A body that brings fewer bytes in this time is given up: a server that drips would hold the download for hours."""

_GONE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class URLExpired(Exception):
    """The server refuses the URL: ask the provider for a fresh one."""


async def download(fetcher: Fetcher, url: str, part: PartialFile) -> None:
    """Bring `part` to the whole content of `url`.

    What is there already is kept when the server confirms that the content is the same; changed content starts over.
    When it raises or is cancelled, nothing writes to `part` any more, and what came is kept for the next attempt.
    Raises URLExpired, FetchFailed or FetchRefused (see media.guard), and OSError when the disk refuses.
    """
    if part.size and part.size == part.version.length:
        return
    headers = {}
    if part.size and part.version.validator:
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.version.validator}
    async with fetcher.get(url, headers) as response:
        await _to_its_end(_begin, response, part, bool(headers))
        await _append_all(response, part)
    if part.version.length is not None and part.size != part.version.length:
        raise FetchFailed(f"the download ended at byte {part.size} of {part.version.length}")


def _begin(response: httpx.Response, part: PartialFile, resuming: bool) -> None:
    """Decide by the answer's head whether `part` goes on or starts over."""
    status = response.status_code
    if status in _GONE:
        raise URLExpired(f"the file's server answered {status}")
    if status == HTTPStatus.OK:
        part.restart(Version(_validator(response), _length(response)))
    elif status == HTTPStatus.PARTIAL_CONTENT and resuming:
        if not _continues(response, part):
            part.restart(Version(None, None))
            raise FetchFailed("the file's server sent another range, or of other content, than was asked for")
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.restart(Version(None, None))
        raise FetchFailed("the file on the server is shorter than what was downloaded before")
    else:
        raise FetchFailed(f"the file's server answered {status}")


def _continues(response: httpx.Response, part: PartialFile) -> bool:
    """Whether a partial answer goes on where `part` ends. Not every server that knows `Range` knows `If-Range`."""
    validator, length = part.version.validator or "", part.version.length
    name = "ETag" if validator.startswith('"') else "Last-Modified"
    start, total = _content_range(response)
    # RFC 9110, 15.3.7: a partial answer may leave out the validator that was in the request.
    return (
        start == part.size
        and (length is None or total == length)
        and (response.headers.get(name, validator) == validator)
    )


async def _append_all(response: httpx.Response, part: PartialFile) -> None:
    """Stream the body in constant memory; hashing and writing happen in a thread, a block at a time."""
    limit = min(MAX_BYTES, MAX_BYTES if part.version.length is None else part.version.length)
    clock, fresh, pending = asyncio.get_running_loop().time, 0, bytearray()

    async def write() -> None:
        block = bytes(pending)
        pending.clear()  # before, since what failed or was cancelled must not be written twice
        await _to_its_end(part.append, block)

    try:
        async with asyncio.timeout(PACE_SECONDS) as pace:
            async for chunk in response.aiter_raw():
                pending += chunk
                if part.size + len(pending) > limit:
                    raise FetchFailed(f"the file is larger than {limit} bytes")
                if len(pending) >= BLOCK:
                    await write()
                fresh += len(chunk)
                if fresh >= PACE_BYTES:
                    fresh = 0
                    pace.reschedule(clock() + PACE_SECONDS)
    except TimeoutError:
        raise FetchFailed(f"fewer than {PACE_BYTES} bytes came in {PACE_SECONDS:.0f} s") from None
    finally:
        # Also when the connection drops: what came is kept for the next attempt.
        await write()


async def _to_its_end(work: Callable[..., None], *arguments: object) -> None:
    """Run in a thread and wait for it even when cancelled: two threads must never write to one file."""
    running = asyncio.create_task(asyncio.to_thread(work, *arguments))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancelled = error
    if failure := cancelled or running.exception():
        raise failure


def _validator(response: httpx.Response) -> str | None:
    etag = str(response.headers.get("ETag", ""))
    if re.fullmatch(r'"[\x21\x23-\x7e]*"', etag):  # strong, and fit to be sent back
        return etag
    modified = str(response.headers.get("Last-Modified", ""))
    return modified if modified and modified.isascii() else None


def _length(response: httpx.Response) -> int | None:
    length = str(response.headers.get("Content-Length", ""))
    return int(length) if length.isdecimal() else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    given = str(response.headers.get("Content-Range", "")).strip()
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", given)
    if not match:
        return None, None
    return int(match[1]), int(match[2]) if match[2] != "*" else None
