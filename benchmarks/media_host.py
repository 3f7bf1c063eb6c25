"""A web server of files in a process of its own, which counts what it sends and can be far away."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

_BLOCK = 64 * 1024


class MediaHost:
    """The server, asked through a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.url: str = pipe.recv()

    def sent(self) -> dict[str, int]:
        """Bytes of bodies since it was last asked, by name, as far as the system took them; `""` counts requests."""
        self._pipe.send(None)
        counted: dict[str, int] = self._pipe.recv()
        return counted


@contextmanager
def media_host(folder: Path, distance: float = 0.0) -> Iterator[MediaHost]:
    """Serve the files of a folder, with ranges and connections that stay open.

    `distance` is a round trip in seconds: each request waits for one, and a new connection's first for another.
    """
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(folder, distance, theirs), daemon=True)
    process.start()
    try:
        yield MediaHost(ours)
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, distance: float, pipe: Connection) -> None:
    asyncio.run(_Server(folder, distance, pipe).run())


class _Server:
    def __init__(self, folder: Path, distance: float, pipe: Connection) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self._distance, self._pipe = distance, pipe
        self._sent: dict[str, int] = {"": 0}

    async def run(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._tell)
        await server.serve_forever()

    def _tell(self) -> None:
        self._pipe.recv()
        self._pipe.send(self._sent)
        self._sent = {"": 0}

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(self._distance)
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await asyncio.sleep(self._distance)
                await self._answer(head, writer)
        writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        name = head.split(" ", 2)[1].strip("/")
        content = self._files[name]
        window, status, extra = range(len(content)), "200 OK", ""
        if part := re.search(r"^range: bytes=(\d+)-(\d*)\r$", head, re.MULTILINE | re.IGNORECASE):
            window = window[int(part[1]) : int(part[2]) + 1 if part[2] else None]
            status = "206 Partial Content"
            extra = f"Content-Range: bytes {window.start}-{window.stop - 1}/{len(content)}\r\n"
        self._sent[""] += 1
        writer.write(
            f"HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nContent-Length: {len(window)}\r\n{extra}\r\n".encode()
        )
        for at in window[::_BLOCK]:
            block = content[at : min(at + _BLOCK, window.stop)]
            writer.write(block)
            await writer.drain()
            self._sent[name] = self._sent.get(name, 0) + len(block)
