"""The provider's own look at the URLs that it is given.

Any reachable address will do, this machine's included: the emulator is a development tool and not for the open network.
"""

from io import BytesIO

import httpx
from PIL import Image, UnidentifiedImageError

MAX_PICTURE = 30 * 1024 * 1024
"""Bytes. Reported of the engine behind the API."""

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


class FetchFailed(Exception):
    """The URL gave nothing that can be used; the text says why."""


class Fetcher:
    """Fetches media as an outside client would: without credentials."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=10.0, follow_redirects=True, trust_env=False)

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

    async def check_reachable(self, url: str) -> None:
        """Make sure that a video or an audio can be fetched, without fetching it. Raises FetchFailed."""
        try:
            async with self._http.stream("GET", url) as response:
                _check(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(f"cannot fetch the media: {type(error).__name__}") from error


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        raise FetchFailed(f"the URL answers {response.status_code}")
