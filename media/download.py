"""The GET of a result file into a `PartialFile`, going on at the byte where an earlier one stopped."""

from http import HTTPStatus

import httpx

from media.ahead import Ahead
from media.fetch import Fetcher
from media.guard import FetchFailed
from media.partial_file import PartialFile, Version
from media.ranges import continues, total_of, version_of
from media.receiving import receive_all
from media.transport import connection_of

MAX_BYTES = 64 * 1024**3
"""More than any video of 15 s can be; an endless body stops here."""

_GONE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class URLExpired(Exception):
    """The server refuses the URL: ask the provider for a fresh one."""


async def download(fetcher: Fetcher, url: str, part: PartialFile) -> None:
    """Bring `part` to the whole content of `url`.

    What is there already is kept when the server confirms that the content is the same; changed content starts over.
    When it raises or is cancelled, nothing writes to `part` any more, and what came is kept for the next attempt.
    Raises URLExpired, FetchFailed or FetchRefused (see media.guard), and OSError when the disk refuses.
    """
    if _whole(part):
        return
    async with Ahead(fetcher, url, part) as ahead:
        await _go_on(fetcher, url, part, ahead)
        await ahead.append_all()
    if ahead.helped and not _whole(part):  # they failed
        await _go_on(fetcher, url, part)
    if part.version.length is not None and part.size != part.version.length:
        raise FetchFailed(f"the download ended at byte {part.size} of {part.version.length}")


def _whole(part: PartialFile) -> bool:
    return 0 < part.size == part.version.length


async def _go_on(fetcher: Fetcher, url: str, part: PartialFile, ahead: Ahead | None = None) -> None:
    """From where `part` ends, to the end of the file, or to where `ahead` takes over."""
    headers = {}
    if part.size and part.version.validator:
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.version.validator}
    async with fetcher.get(url, headers) as response:
        connection = connection_of(response)
        await connection.run(_begin, response, part, bool(headers))
        most = min(MAX_BYTES, MAX_BYTES if part.version.length is None else part.version.length)
        if ahead:
            ahead.watch(response)
        await receive_all(connection, part, most, (lambda: ahead.end) if ahead else None)


def _begin(response: httpx.Response, part: PartialFile, resuming: bool) -> None:
    """Decide by the answer's head whether `part` goes on or starts over."""
    status = response.status_code
    if status in _GONE:
        raise URLExpired(f"the file's server answered {status}")
    if status == HTTPStatus.OK:
        part.restart(version_of(response))
    elif status == HTTPStatus.PARTIAL_CONTENT and resuming:
        if not continues(response, part.size, part.version):
            part.restart(Version(None, None))
            raise FetchFailed("the file's server sent another range, or of other content, than was asked for")
        if part.version.length is None and (total := total_of(response)):
            part.learn(total)
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.restart(Version(None, None))
        raise FetchFailed("the file on the server is shorter than what was downloaded before")
    else:
        raise FetchFailed(f"the file's server answered {status}")
