"""A server of one file that drops, lies and changes its mind."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from media.storage import BLOCK

SIZE = 2 * BLOCK + BLOCK // 2
V1, V2 = (random.Random(seed).randbytes(SIZE) for seed in (1, 2))


class FileServer:
    """One file over HTTP/1.1, a request per connection, as well-behaved as its attributes say."""

    def __init__(self) -> None:
        self.content = V1
        self.headers = {"ETag": '"v1"'}
        self.status: int | None = None
        """Answer this, with a short text, to whatever is asked."""
        self.raw: bytes | None = None
        """Answer these very bytes."""
        self.knows_range = self.knows_if_range = True
        self.chunked = self.stalls = False
        self.cuts: list[int] = []
        """For the requests to come: after how many bytes of the body to drop the connection, or to stall."""
        self.asked: list[dict[str, str]] = []
        self.served: list[int] = []
        """Bytes of the body, by request."""
        self.rate: int | None = None
        """Bytes a second of each connection from when it is answered on."""
        self.meddle: Callable[[int, dict[str, str]], None] = lambda number, asked: None
        """Called before each request is answered, with its number from 0 and its headers; may change all of this."""
        self.open = self.most_open = 0
        self._serving: set[asyncio.Task[Any] | None] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/video.mp4"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await asyncio.gather(*filter(None, self._serving))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            asked = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            self.asked.append({"path": lines[0].split()[1], **asked})
            self.meddle(len(self.asked) - 1, asked)
            head, body = (self.raw, b"") if self.raw is not None else self._answer(asked)
            writer.write(head)
            await self._send(writer, body)
            if self.stalls:
                await reader.read()  # until the client goes away
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, asked: dict[str, str]) -> tuple[bytes, bytes]:
        headers, start, size = dict(self.headers), 0, len(self.content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("range", ""))
        same = asked.get("if-range") in (None, *headers.values()) or not self.knows_if_range
        status = self.status or (206 if wanted and same and self.knows_range else 200)
        body = self.content
        if status == 206 and wanted:
            start = int(wanted[1])
            body = self.content[start : int(wanted[2] or size) + 1]
            status = 206 if body else 416
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{size}" if body else f"bytes */{size}"
        if status not in (200, 206):
            body = b"<Error/>"
        headers |= {"Transfer-Encoding": "chunked"} if self.chunked else {"Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body

    async def _send(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        cut = self.cuts.pop(0) if self.cuts else None
        sent = body[:cut]
        if self.chunked:
            writer.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n" if sent else b"")
        elif self.rate:
            await self._slowly(writer, sent)
        else:
            writer.write(sent)
        await writer.drain()
        self.served.append(len(sent))
        if cut is None:
            writer.write(b"0\r\n\r\n" if self.chunked else b"")
            await writer.drain()

    async def _slowly(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        assert self.rate
        rate = self.rate
        writer.transport.set_write_buffer_limits(0)
        begun, sent = time.monotonic(), 0
        while sent < len(body):
            due = int((time.monotonic() - begun) * rate) + 1
            writer.write(body[sent:due])
            await writer.drain()
            sent = due
            await asyncio.sleep(0.01)
