"""One GET of a result file into a `PartialFile`, going on at the byte where an earlier one stopped."""

import asyncio
import re
from http import HTTPStatus

import httpx

from media.fetch import Fetcher, FetchFailed
from media.partial_file import PartialFile, Version
from media.storage import BLOCK

MAX_BYTES = 64 * 1024**3
"""More than any video of 15 s can be; an endless body stops here."""

_GONE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class URLExpired(Exception):
    """The server refuses the URL: ask the provider for a fresh one."""


async def download(fetcher: Fetcher, url: str, part: PartialFile) -> None:
    """Bring `part` to the whole content of `url`.

    What is there already is kept when the server confirms that the content is the same; changed content starts over.
    Raises URLExpired, FetchFailed or FetchRefused (see media.fetch), and OSError when the disk refuses.
    """
    if part.size and part.size == part.version.length:
        return
    headers = {}
    if part.size and part.version.validator:
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.version.validator}
    async with fetcher.get(url, headers) as response:
        await asyncio.to_thread(_begin, response, part)
        await _append_all(response, part)
    if part.version.length is not None and part.size != part.version.length:
        raise FetchFailed(f"the download ended at byte {part.size} of {part.version.length}")


def _begin(response: httpx.Response, part: PartialFile) -> None:
    """Decide by the answer's head whether `part` goes on or starts over."""
    status = response.status_code
    if status in _GONE:
        raise URLExpired(f"the file's server answered {status}")
    if status == HTTPStatus.OK:
        part.restart(Version(_validator(response), _length(response)))
    elif status == HTTPStatus.PARTIAL_CONTENT and part.size:
        start, total = _content_range(response)
        if start != part.size or (part.version.length is not None and total != part.version.length):
            part.restart(Version(None, None))
            raise FetchFailed("the file's server sent another range than was asked for")
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.restart(Version(None, None))
        raise FetchFailed("the file on the server is shorter than what was downloaded before")
    else:
        raise FetchFailed(f"the file's server answered {status}")


async def _append_all(response: httpx.Response, part: PartialFile) -> None:
    """Stream the body in constant memory; hashing and writing happen in a thread, a block at a time."""
    pending = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            pending += chunk
            if len(pending) >= BLOCK:
                await asyncio.to_thread(part.append, bytes(pending))
                pending.clear()
            if part.size > MAX_BYTES:
                raise FetchFailed(f"the file is larger than {MAX_BYTES} bytes")
    finally:
        # Also when the connection drops: what came is kept for the next attempt.
        await asyncio.to_thread(_finish, part, bytes(pending))


def _finish(part: PartialFile, rest: bytes) -> None:
    part.append(rest)
    part.flush()


def _validator(response: httpx.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return str(etag)
    modified = response.headers.get("Last-Modified")
    return str(modified) if modified else None


def _length(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not match:
        return None, None
    return int(match[1]), int(match[2]) if match[2] != "*" else None
