"""The provider's own look at the URLs that it is given.

Any reachable address will do, this machine's included: the emulator is a development tool and not for the open network.
"""

import asyncio
from dataclasses import dataclass
from io import BytesIO

import av
import httpx
from PIL import Image, UnidentifiedImageError

MAX_PICTURE = 30 * 1024 * 1024
"""Bytes. Reported of the engine behind the API."""

_PATIENCE = 10.0
"""Seconds without a byte."""

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


class FetchFailed(Exception):
    """The URL gave nothing that can be used; the text says why."""


@dataclass(frozen=True)
class Recording:
    """What counts of a reference video or audio. Zero where nothing can be read of it."""

    seconds: float = 0.0
    bytes: int = 0


UNMEASURED = Recording()


class Fetcher:
    """Fetches media as an outside client would: without credentials."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=_PATIENCE, follow_redirects=True, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def picture(self, url: str) -> bytes:
        """The bytes of an image. Raises FetchFailed."""
        content = bytearray()
        try:
            async with self._http.stream("GET", url) as response:
                _check(response)
                async for block in response.aiter_bytes():
                    content += block
                    if len(content) > MAX_PICTURE:
                        raise FetchFailed(f"the image is larger than {MAX_PICTURE} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(f"cannot fetch the image: {type(error).__name__}") from error
        try:
            Image.open(BytesIO(content), formats=PICTURE_FORMATS).close()
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
            raise FetchFailed("the URL does not lead to an image in a supported format") from error
        return bytes(content)

    async def recording(self, url: str) -> Recording:
        """Measure a video or an audio, without fetching all of it. Raises FetchFailed where it cannot be fetched."""
        try:
            async with self._http.stream("GET", url) as response:
                _check(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(f"cannot fetch the media: {type(error).__name__}") from error
        return await asyncio.to_thread(_measured, url)


def _measured(url: str) -> Recording:
    """Blocks."""
    try:
        with av.open(url, timeout=_PATIENCE) as container:
            return Recording((container.duration or 0) / av.time_base, max(container.size or 0, 0))
    except (OSError, ValueError):  # what FFmpeg raises is both, or one of them
        return UNMEASURED


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        raise FetchFailed(f"the URL answers {response.status_code}")
