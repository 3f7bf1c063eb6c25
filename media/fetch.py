"""HTTP fetches of URLs that somebody else supplied. Each redirect is a URL like the first, guarded anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Self

import httpx

from media.guard import AddressGuard, FetchFailed, Resolve, target
from media.names import Names
from media.transport import GuardedTransport

_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
HEAD_SECONDS = 90.0
"""From the URL to the head of the last answer, over all addresses and redirects."""
_HEADERS = {"User-Agent": "manxue-worker", "Accept": "*/*", "Accept-Encoding": "identity"}
SPARE = 40
_AS_IT_IS = ("", "identity", "aws-chunked")
"""Content encodings that change no byte; the last one some S3-compatible stores leave on objects by mistake."""


class AnswerUnusable(FetchFailed):
    """The server answers in a way that no client of a file can use: in circles, or compressed unasked."""


class Fetcher:
    """A connection pool for guarded GET requests, without any credentials: no proxy, no cookies, no user names."""

    def __init__(self, guard: AddressGuard, resolve: Resolve | None = None) -> None:
        self.spare = SPARE
        """Connections that downloads may take besides the one that each of them has."""
        # The transport and not httpx's client, which keeps cookies and reads the bodies of redirects into memory.
        self._transport = GuardedTransport(guard, resolve or Names())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    @asynccontextmanager
    async def get(self, url: str, headers: dict[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """Open a streaming GET. The body is as it lies on the server, never decompressed.

        Its head has a limit of time and size. The caller limits the body: by leaving the block, by `asyncio.timeout`.
        Raises FetchRefused or FetchFailed, also while the body is read inside the `async with`.
        """
        try:
            async with aclosing(await self._open(url, {**_HEADERS, **(headers or {})})) as response:
                # Removed, so that httpx decodes nothing: a megabyte of gzip can hold a gigabyte.
                encoding = response.headers.pop("Content-Encoding", "")
                if response.is_success and encoding.lower() not in _AS_IT_IS:
                    raise AnswerUnusable("the file's server sent it compressed, which was not asked for")
                yield response
        except httpx.RequestError as error:
            raise FetchFailed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None

    async def _open(self, url: str, headers: dict[str, str]) -> httpx.Response:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                return await self._follow(target(url), headers)
        except TimeoutError:
            raise FetchFailed(f"no answer after {HEAD_SECONDS:.0f} s") from None

    async def _follow(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        """The first answer that is no redirect, its body unread."""
        for _ in range(_MAX_REDIRECTS + 1):
            request = httpx.Request("GET", url, headers=headers, extensions={"timeout": _TIMEOUT.as_dict()})
            response = await self._transport.handle_async_request(request)
            if not response.has_redirect_location:
                return response
            await response.aclose()  # unread: it may be endless
            url = target(response.headers["Location"], url)
        raise AnswerUnusable(f"more than {_MAX_REDIRECTS} redirects")
