"""Connections to the provider, for one call each at a time, kept open between calls.

Each has an httpx transport of its own. In one pool, httpx looks at every idle connection before and after each call:
with twenty of them that takes longer than the call itself.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx

import tls

Connection = AbstractAsyncContextManager[httpx.AsyncBaseTransport]
"""For one call. Its answer is closed before this is left."""

_MOST_IDLE = 20


class Connections:
    """As many as are asked for; who calls limits how many calls there are at a time. No proxy, no cookies."""

    def __init__(self) -> None:
        self._idle: list[httpx.AsyncHTTPTransport] = []
        """The last one used is the next: the longer one waits, the likelier the server has closed it."""

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """One that earlier calls may have used, and that later ones may when this one has gone well."""
        transport = self._idle.pop() if self._idle else self._made(keep=1)
        whole = False
        try:
            yield transport
            whole = True
        finally:
            if whole and len(self._idle) < _MOST_IDLE:
                self._idle.append(transport)
            else:
                await transport.aclose()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A new one, for a call that must not be repeated.

        One that was kept, and that the server has just closed, fails after bytes were written, and nobody knows what
        became of them. A new one fails before.
        """
        async with self._made(keep=0) as transport:
            yield transport

    def _made(self, keep: int) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=keep)
        return httpx.AsyncHTTPTransport(verify=tls.context(), trust_env=False, limits=limits)

    async def aclose(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().aclose()
