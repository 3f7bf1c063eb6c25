"""TLS of the fetch guard: the name is verified at the checked address, and only plain text reaches the file."""

import asyncio
import ipaddress
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

import media.transport
from media.download import download
from media.fetch import Fetcher
from media.guard import Address, AddressGuard, FetchFailed
from media.partial_file import PartialFile
from media.post import Poster

CONTENT = random.Random(3).randbytes(20_000_000)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For `files.example`, with its key and its authority."""
    authority, path = trustme.CA(), tmp_path / "certificate.pem"
    authority.issue_cert("files.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    authority.cert_pem.write_to_path(str(path), append=True)
    return path


class Server:
    """One file over HTTPS; `cut` drops or stalls the connection after so many bytes of it."""

    def __init__(self) -> None:
        self.port = 0
        self.names: list[str | None] = []
        """Those that were asked for by SNI."""
        self.cut = len(CONTENT)
        self.stalls = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT[: self.cut])
            await writer.drain()
            if self.stalls:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if self.cut < len(CONTENT) else writer.close()


@asynccontextmanager
async def serving(certificate: Path) -> AsyncIterator[Server]:
    served, context = Server(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda sock, name, context: served.names.append(name)
    async with await asyncio.start_server(served.answer, "127.0.0.1", 0, ssl=context) as server:
        served.port = server.sockets[0].getsockname()[1]
        yield served


async def local(host: str) -> list[Address]:
    return [ipaddress.ip_address("127.0.0.1")]


def trusting(certificate: Path | None) -> Fetcher:
    fetcher = Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")]), local)
    if certificate:
        context = httpx.create_ssl_context(trust_env=False)
        context.load_verify_locations(certificate)
        fetcher._transport._tls = lambda: context
    return fetcher


async def test_a_file_comes_over_tls_from_the_address_that_was_checked(certificate: Path, tmp_path: Path) -> None:
    part = PartialFile(tmp_path / "part").open()
    async with serving(certificate) as server, trusting(certificate) as fetcher:
        await download(fetcher, f"https://files.example:{server.port}/", part)
    part.close()
    assert server.names == ["files.example"]
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("files.example", False), ("other.example", True), ("127.0.0.1", True)],
    ids=["unknown issuer", "another name", "an address"],
)
async def test_a_certificate_that_proves_nothing_fails(certificate: Path, host: str, trusted: bool) -> None:
    async with serving(certificate) as server, trusting(certificate if trusted else None) as fetcher:
        with pytest.raises(FetchFailed, match="certificate verify failed"):
            async with fetcher.get(f"https://{host}:{server.port}/"):
                pass


async def test_a_server_that_never_shakes_hands_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.fetch.HEAD_SECONDS", 0.3)
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, trusting(None) as fetcher:
        with pytest.raises(FetchFailed, match="no answer"):
            async with fetcher.get(f"https://files.example:{server.sockets[0].getsockname()[1]}/"):
                pass
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("says", [b"", b"\x16\x03", b"no TLS at all"], ids=["nothing", "little", "garbage"])
@pytest.mark.parametrize("resets", [True, False], ids=["reset", "closed"])
async def test_a_server_that_leaves_before_it_is_asked_fails_as_a_fetch(
    monkeypatch: pytest.MonkeyPatch, scheme: str, says: bytes, resets: bool
) -> None:
    connected = media.transport._connected

    async def late(address: str, port: int, version: int) -> socket.socket:
        sock = await connected(address, port, version)
        await asyncio.sleep(0.05)  # until it has left
        return sock

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        if resets:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    monkeypatch.setattr(media.transport, "_connected", late)
    guard = AddressGuard([ipaddress.ip_network("127.0.0.1/32")])
    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server, trusting(None) as fetcher:
        url = f"{scheme}://files.example:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(FetchFailed):
            async with fetcher.get(url):
                pass
        async with Poster(guard, local) as poster:
            with pytest.raises(FetchFailed):
                await poster.post(url, b"{}", {})


async def test_a_dropped_connection_leaves_a_true_beginning(certificate: Path, tmp_path: Path) -> None:
    part = PartialFile(tmp_path / "part").open()
    async with serving(certificate) as server, trusting(certificate) as fetcher:
        server.cut = 3_000_000
        with pytest.raises(FetchFailed):
            await download(fetcher, f"https://files.example:{server.port}/", part)
    part.close()
    assert CONTENT.startswith((tmp_path / "part").read_bytes())


async def test_a_cancelled_download_leaves_a_true_beginning(certificate: Path, tmp_path: Path) -> None:
    part = PartialFile(tmp_path / "part").open()
    async with serving(certificate) as server, trusting(certificate) as fetcher:
        for size in (1, 2_000_000, 9_000_000):
            running = asyncio.create_task(download(fetcher, f"https://files.example:{server.port}/", part))
            while part.size < size and not running.done():
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert CONTENT.startswith((tmp_path / "part").read_bytes())
            assert part.size == (tmp_path / "part").stat().st_size
    part.close()
