"""What tells one content from another, wherever it lies."""

import asyncio
import hashlib
from urllib.parse import unquote, urlsplit

import httpx
import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from media.bucket import RETRIES
from media.fetch import Fetcher
from media.guard import FetchFailed, FetchRefused
from media.remote_file import PASSING

MAX_HASHED = 32 * 1024 * 1024
"""Bytes. A larger image is told apart by what its server says of it."""
_BEGINNING = 4 * 1024 * 1024
"""Bytes, of what is not hashed, but has a server that says nothing of it."""
_PATIENCE = 30.0
"""Seconds for all of it; a slower server is not worth waiting for."""


class NotNow(Exception):
    """The content could not be read this time. Another identity than its own would mean another review of it."""


def url_identity(reference: str) -> str:
    """For what this worker cannot read at all."""
    return _digest("url", reference)


async def content_identity(fetcher: Fetcher, url: str, *, hashed: bool) -> str:
    """Of what an http(s) URL leads to: the SHA-256 of the content where `hashed`, else of its `ETag`, length and URL.

    Where there is neither `ETag` nor `Last-Modified`, other content at the same URL is told by its beginning. What is
    refused for good is identified by its URL. Raises NotNow.
    """
    try:
        async with asyncio.timeout(_PATIENCE), fetcher.get(url) as response:
            if response.status_code in PASSING or response.is_server_error:
                raise NotNow(f"its server answers {response.status_code}")
            if not response.is_success:
                return url_identity(url)
            version, length = _version(response.headers), response.headers.get("Content-Length")
            if version and not hashed:
                return _digest("version", f"{version} {length}", url)
            digest, left = hashlib.sha256(), MAX_HASHED if hashed else _BEGINNING
            async for block in response.aiter_raw():
                digest.update(block[:left])
                left -= len(block)
                if left < 0:
                    return _digest("version", f"{version or digest.hexdigest()} {length}", url)
            return f"sha256-{digest.hexdigest()}"
    except FetchRefused:
        return url_identity(url)
    except FetchFailed as error:
        raise NotNow(str(error)) from None
    except TimeoutError:
        raise NotNow(f"it could not be read within {_PATIENCE:.0f} s") from None


async def object_identity(reference: str) -> str:
    """Of an object in a bucket: its version where the store keeps versions, else its `ETag` and length.

    Raises NotNow.
    """
    parts = urlsplit(reference)
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}", retry_config=RETRIES)
        facts = await obstore.head_async(store, unquote(parts.path).lstrip("/"))
    except (NotFoundError, PermissionDeniedError, UnauthenticatedError, ValueError):
        return url_identity(reference)
    except (BaseError, OSError) as error:
        raise NotNow(type(error).__name__) from None  # its text quotes the store's answer
    return _digest("version", str(facts["version"] or (facts["e_tag"], facts["size"])), reference)


def _version(headers: httpx.Headers) -> str | None:
    said: str | None = headers.get("ETag") or headers.get("Last-Modified")
    return said


def _digest(kind: str, *parts: str) -> str:
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
