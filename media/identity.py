"""What tells one content from another, wherever it lies."""

import asyncio
import hashlib
from urllib.parse import unquote, urlsplit

import httpx
import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from media.bucket import RETRIES
from media.fetch import Fetcher, FetchFailed, FetchRefused

MAX_HASHED = 32 * 1024 * 1024
"""Bytes. A larger image is told apart by what its server says of it."""
_PATIENCE = 30.0
"""Seconds for all of it; a slower server is not worth waiting for."""


async def content_identity(fetcher: Fetcher, url: str, *, hashed: bool) -> str:
    """Of what an http(s) URL leads to: the SHA-256 of the content where `hashed`, else of its `ETag`, length and URL.

    Never raises for the network: what cannot be fetched is identified by its URL.
    """
    try:
        async with asyncio.timeout(_PATIENCE), fetcher.get(url) as response:
            if not response.is_success:
                return _digest("url", url)
            if not hashed:
                return _digest("version", _validators(response.headers), url)
            digest, size = hashlib.sha256(), 0
            async for block in response.aiter_raw():
                digest.update(block)
                size += len(block)
                if size > MAX_HASHED:
                    return _digest("version", _validators(response.headers), url)
            return f"sha256-{digest.hexdigest()}"
    except (FetchFailed, FetchRefused, TimeoutError):
        return _digest("url", url)


async def object_identity(reference: str) -> str:
    """Of an object in a bucket: its version where the store keeps versions, else its `ETag` and length."""
    parts = urlsplit(reference)
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}", retry_config=RETRIES)
        facts = await obstore.head_async(store, unquote(parts.path).lstrip("/"))
    except (BaseError, OSError, ValueError):
        return _digest("url", reference)
    return _digest("version", str(facts["version"] or (facts["e_tag"], facts["size"])), reference)


def _validators(headers: httpx.Headers) -> str:
    return f"{headers.get('ETag') or headers.get('Last-Modified')} {headers.get('Content-Length')}"


def _digest(kind: str, *parts: str) -> str:
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
