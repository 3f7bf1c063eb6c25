"""Small messages to URLs that somebody else supplied: a guarded POST whose answer is only looked at, never read."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from media.guard import AddressGuard, FetchFailed, Resolve, target
from media.names import Names
from media.transport import GuardedTransport

SECONDS = 15.0
"""From the first look for the host's address to the head of the answer, however slowly it drips."""
_LOOK_UP_SECONDS = 10.0
_HEADERS = {"User-Agent": "manxue-worker", "Accept-Encoding": "identity"}


class Poster:
    """A connection pool for guarded POST requests. Redirects are not followed."""

    def __init__(self, guard: AddressGuard, resolve: Resolve | None = None) -> None:
        self._guard = guard
        self._resolve = resolve or Names()
        self._transport = GuardedTransport(guard, self._resolve)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def look_up(self, url: str) -> None:
        """Find out whether the URL may be posted to now, without a connection.

        Raises FetchRefused when it may not, and FetchFailed when its host cannot be resolved.
        """
        host = target(url).raw_host.decode("ascii")  # as `post` will
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                addresses = await self._resolve(host)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise FetchFailed(f"{host} cannot be resolved ({str(error) or 'no answer'})") from None
        self._guard.allowed(host, addresses)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        """The status of the answer, and its `Retry-After`. Raises FetchRefused or FetchFailed."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(target(url), content, headers)
        except TimeoutError:
            raise FetchFailed(f"no answer after {SECONDS:.0f} s") from None
        except httpx.RequestError as error:
            raise FetchFailed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None

    async def _post(self, url: httpx.URL, content: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        request = httpx.Request("POST", url, headers={**_HEADERS, **headers}, content=content)
        response = await self._transport.handle_async_request(request)
        await response.aclose()  # unread: it may be endless
        return response.status_code, response.headers.get("Retry-After")
