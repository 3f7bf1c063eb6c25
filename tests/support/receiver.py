"""A receiver of notifications that keeps what it gets and answers, or does not, as it is told."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

from tests.support.patience import PATIENCE

SECRET = "whsec_bmV3ZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cyAhISEhISE="
OLD_SECRET = "whsec_b2xkZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cyAhISEhISE="


@dataclass
class Message:
    """One POST."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str = SECRET) -> dict[str, Any]:
        """What it says. Raises when the signature is wrong."""
        said: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return said


@dataclass
class Answer:
    """How the receiver answers."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    """No byte of an answer."""
    drip: bool = False
    """A byte of the head every 0.05 s, without end."""
    endless: bool = False
    """A body without end."""


class Receiver:
    """Listens on 127.0.0.1 in a thread of its own."""

    def __init__(self, port: int = 0) -> None:
        self.messages: list[Message] = []
        self.answers: dict[str, Callable[[int], Answer]] = {}
        """Path -> the answer to the n-th message there, from 1."""
        self.sent = 0
        """Bytes of endless bodies, as far as the system took them."""
        self.url = ""
        self._port = port
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)

    def start(self) -> "Receiver":
        """Listen."""
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def stop(self) -> None:
        """Stop listening, and break off what was not answered."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(5)

    def at(self, path: str) -> list[Message]:
        """What came to that path, in order."""
        return [message for message in self.messages if message.path.split("?")[0] == path]

    async def count(self, path: str, number: int = 1, seconds: float = PATIENCE) -> list[Message]:
        """Wait until that many messages came there."""
        async with asyncio.timeout(seconds):
            while len(found := self.at(path)) < number:
                await asyncio.sleep(0.05)
        return found

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stopping.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            method, path, _ = head[0].split(" ")
            assert method == "POST"
            body = await reader.readexactly(int(headers["content-length"]))
            self.messages.append(Message(path, headers, body))
            path = path.split("?")[0]
            script = self.answers.get(path)
            await self._answer(script(len(self.at(path))) if script else Answer(), writer)
        writer.close()

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        if answer.hangs:
            await asyncio.sleep(3600)
        writer.write(f"HTTP/1.1 {answer.status} Whatever\r\n".encode())
        for name, value in answer.headers.items():
            writer.write(f"{name}: {value}\r\n".encode())
        while answer.drip:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"Connection: close\r\n\r\n")
        while answer.endless:
            writer.write(bytes(16384))
            await writer.drain()
            self.sent += 16384
        await writer.drain()
