"""A line to a Temporal server that breaks as soon as a start has gone through it: its answer is lost."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PREFACE, _FRAME_HEAD, _DATA, _END_STREAM = 24, 9, 0, 1
_START = 5
"""The stream of the third call: the first two, of whoever connects, ask for the server and its namespace."""
_SERVED = 1.0
"""Seconds in which the server has surely done what it was asked."""


class _Line:
    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.partition(":")
        self._broken = False

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        if not self._broken:
            back, forth = await asyncio.open_connection(self._host, int(self._port))
            ways = {asyncio.create_task(self._there(reader, forth)), asyncio.create_task(self._back(back, writer))}
            _, others = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                other.cancel()
            forth.close()
        writer.close()

    async def _there(self, reader: StreamReader, writer: StreamWriter) -> None:
        seen, skip = b"", _PREFACE
        while data := await reader.read(65536):
            seen += data
            while len(seen) >= skip + _FRAME_HEAD:
                head = seen[skip : skip + _FRAME_HEAD]
                length = int.from_bytes(head[:3], "big")
                if len(seen) < skip + _FRAME_HEAD + length:
                    break
                if head[3] == _DATA and head[4] & _END_STREAM and int.from_bytes(head[5:], "big") == _START:
                    self._broken = True
                seen, skip = seen[skip + _FRAME_HEAD + length :], 0
            writer.write(data)

    async def _back(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._broken:
                await asyncio.sleep(_SERVED)
                return
            writer.write(data)


@asynccontextmanager
async def broken_line(address: str) -> AsyncIterator[str]:
    """The address of the line, while the block runs; `address` is the server's."""

    async def carry(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            await line.carry(reader, writer)

    line = _Line(address)
    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
