"""A TLS door in front of a server that has none: it asks for a certificate of its authority, and passes bytes on."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority that is trusted in one directory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("an authority")
        self._write("authority", self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0)), None)

    def path(self, name: str, kind: str = "pem") -> str:
        """Where a certificate (`pem`) or its key (`key`) lies."""
        return str(self._folder / f"{name}.{kind}")

    def issue(self, name: str) -> None:
        """A certificate and its key, for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        self._write(name, self._sign(_named(name), key, here), key)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None) -> None:
        pem = serialization.Encoding.PEM
        Path(self.path(name)).write_bytes(certificate.public_bytes(pem))
        if key:
            form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            Path(self.path(name, "key")).write_bytes(key.private_bytes(pem, form, bare))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


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
