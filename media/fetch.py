"""HTTP fetches of URLs that somebody else supplied, kept away from addresses that are none of their business.

The name is resolved once, every address it has is checked, and the connection goes to an address that was checked, so
a name that answers differently the second time gains nothing. Redirects make new connections and pass the same check.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class FetchRefused(Exception):
    """The URL leads to an address, or by a scheme, that must not be fetched."""


class FetchFailed(Exception):
    """The fetch broke: no connection, a reset, a timeout. Asking again may help."""


class AddressGuard:
    """Decides which addresses may be connected to: public ones, and what the settings allow."""

    def __init__(self, allowed_networks: Iterable[Network] = (), allowed_hosts: Iterable[str] = ()) -> None:
        self._networks = tuple(allowed_networks)
        self._hosts = frozenset(host.lower() for host in allowed_hosts)

    def allowed(self, host: str, addresses: Sequence[Address]) -> list[Address]:
        """Which of the addresses that `host` has may be connected to.

        One that is not public refuses the host as a whole, unless the settings allow one of the others: `localhost`
        has an IPv6 address too where only 127.0.0.0/8 was allowed. Raises FetchRefused.
        """
        if host.lower() in self._hosts:
            return list(addresses)
        listed = [address for address in addresses if self._listed(_embedded(address))]
        if listed:
            return listed
        for address in addresses:
            real = _embedded(address)
            if not real.is_global or real.is_multicast:
                raise FetchRefused(
                    f"{host} has the address {address}, which is not public; MANXUE_ALLOWED_NETWORKS can allow it"
                )
        return list(addresses)

    def _listed(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it (mapped, 6to4, Teredo, NAT64), else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to what was checked. TLS still verifies the name, which httpcore keeps apart."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved ({error})") from None
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._guard.allowed(host, addresses):
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class Fetcher:
    """A connection pool for guarded GET requests, without any credentials."""

    def __init__(self, guard: AddressGuard) -> None:
        transport = httpx.AsyncHTTPTransport(trust_env=False)
        # httpx offers no way to hand over a network backend; its pool is httpcore's, which does.
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_GuardedBackend(guard),
        )
        self._http = httpx.AsyncClient(
            transport=transport, follow_redirects=True, max_redirects=_MAX_REDIRECTS, timeout=_TIMEOUT, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def get(self, url: str, headers: dict[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """Open a streaming GET. The body is as it lies on the server: no compression is asked for.

        Raises FetchRefused or FetchFailed, also while the body is read inside the `async with`.
        """
        if urlsplit(url).scheme.lower() not in ("http", "https"):
            raise FetchRefused("only http and https URLs are fetched")
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            async with self._http.stream("GET", url, headers=sent) as response:
                yield response
        except httpx.UnsupportedProtocol:
            raise FetchRefused("a redirect leads to a scheme other than http and https") from None
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise FetchFailed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
