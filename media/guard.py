"""Which URLs and addresses that somebody else supplied may be asked: none that are none of their business.

A name is resolved once, every address it has is checked, and the connection (media.transport) goes to an address that
was checked, so a name that answers differently the second time gains nothing.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str], Awaitable[list[Address]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ASSIGNED = ipaddress.IPv6Network("2000::/3")
"""All IPv6 unicast that IANA has given out; outside of it `is_global` is true for much that leads inwards."""
_SPECIAL = ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20", "168.63.129.16/32")
"""From IANA's special-purpose registries, what `is_global` of one Python or another lets through; last, the address
under which Azure serves every virtual machine its own configuration."""
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, _SPECIAL))


class FetchRefused(Exception):
    """The URL leads to an address, or by a scheme, that must not be asked, or it is none."""


class FetchFailed(Exception):
    """The exchange broke: no connection, a reset, a timeout. Asking again may help."""


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
            if not _public(_embedded(address)):
                raise FetchRefused(
                    f"{host} has the address {address}, which is not public; MANXUE_ALLOWED_NETWORKS can allow it"
                )
        return list(addresses)

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it (mapped, 6to4, Teredo, NAT64), else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _public(address: Address) -> bool:
    if address.is_multicast or not address.is_global or any(address in network for network in _NOT_PUBLIC):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _ASSIGNED


def target(reference: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL, or a redirect's reference, as it will be fetched. Raises FetchRefused."""
    try:
        url = base.join(reference) if base else httpx.URL(reference)
        host, port = url.host, url.port  # both may turn out to be invalid only here
    except (httpx.InvalidURL, ValueError):
        raise FetchRefused("the URL is not valid") from None
    if url.scheme not in ("http", "https"):
        raise FetchRefused("only http and https URLs are fetched")
    if not host or "%" in host or url.userinfo or not (port is None or 0 < port < 65536):
        raise FetchRefused("the URL must name a plain host, no user, and no port but one from 1 to 65535")
    return url
