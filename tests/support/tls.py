"""A TLS door in front of a server that has none: it asks for a certificate of its authority, and passes bytes on."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme


class Authority:
    """A certificate authority that is trusted in one directory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(self.path("authority"))

    def path(self, name: str, kind: str = "pem") -> str:
        """Where a certificate (`pem`) or its key (`key`) lies."""
        return str(self._folder / f"{name}.{kind}")

    def issue(self, name: str) -> None:
        """A certificate and its key, for 127.0.0.1."""
        issued = self._authority.issue_cert("127.0.0.1", common_name=name)
        issued.cert_chain_pems[0].write_to_path(self.path(name))
        issued.private_key_pem.write_to_path(self.path(name, "key"))


@asynccontextmanager
async def tls_door(authority: Authority, port: int) -> AsyncIterator[str]:
    """Its address; behind it is the plain server on `port` of this machine."""
    authority.issue("door")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path("authority"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(authority.path("door"), authority.path("door", "key"))
    context.set_alpn_protocols(["h2"])

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
        target.close()

    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    door = await asyncio.start_server(guest, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{door.sockets[0].getsockname()[1]}"
    finally:
        door.close()
