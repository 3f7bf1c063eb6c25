"""What the headers of an answer tell about its content, and about the range of it that it brings."""

import re

import httpx

from media.partial_file import Version


def version_of(response: httpx.Response) -> Version:
    """Of an answer with the whole content."""
    length = str(response.headers.get("Content-Length", ""))
    return Version(_validator(response), int(length) if length.isdecimal() else None)


def strong(version: Version) -> bool:
    """Whether its validator is a strong `ETag`, and thus true of every byte."""
    return (version.validator or "").startswith('"')


def continues(response: httpx.Response, start: int, version: Version) -> bool:
    """Whether a partial answer begins at `start` of this content. Not all servers that know `Range` know `If-Range`."""
    begins, total = _content_range(response)
    if begins != start or total is None or version.length not in (None, total):
        return False
    if strong(version):  # RFC 9110, 15.3.7: where the whole has an `ETag`, a part of it has it too
        return bool(response.headers.get("ETag") == version.validator)
    # But it may leave out `Last-Modified`.
    return bool(response.headers.get("Last-Modified", version.validator) == version.validator)


def total_of(response: httpx.Response) -> int | None:
    """The bytes of the whole that a partial answer is of."""
    return _content_range(response)[1]


def _validator(response: httpx.Response) -> str | None:
    etag = str(response.headers.get("ETag", ""))
    if re.fullmatch(r'"[\x21\x23-\x7e]*"', etag):  # strong, and fit to be sent back
        return etag
    modified = str(response.headers.get("Last-Modified", ""))
    return modified if modified and modified.isascii() else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    given = str(response.headers.get("Content-Range", "")).strip()
    match = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", given)
    if not match or not int(match[1]) <= int(match[2]) < int(match[3]):
        return None, None
    return int(match[1]), int(match[3])
