"""The emulator as a server: inside somebody's event loop, or as the whole process."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn

from emulator.app import create_app
from emulator.config import EmulatorConfig
from emulator.ledger import Ledger

_GRACE = 1
"""Seconds that open requests have to end when the server stops."""


class EmulatorServer:
    """Listens on entering, has ended on leaving. Port 0 takes a free one. Raises OSError when it cannot listen."""

    def __init__(self, config: EmulatorConfig, host: str = "127.0.0.1", port: int = 0) -> None:
        self.ledger = Ledger()
        """What clients did so far."""
        self._address = (host, port)
        # No lines of uvicorn's own, and no change to the logging of the process around it.
        options = uvicorn.Config(
            create_app(config, self.ledger),
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = _Server(options)

    async def __aenter__(self) -> Self:
        host, _ = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(self._address, family=family)
        # asyncio sets this for sockets of its own making only; without it every answer takes 40 ms more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._serving

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        host, _ = self._address
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the signals of the process to the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(config: EmulatorConfig, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError when it cannot listen."""
    asyncio.run(_run(config, host, port))


async def _run(config: EmulatorConfig, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with EmulatorServer(config, host, port) as emulator:
        print(f"Emulator: {emulator.url} (its API key is the --key)", file=sys.stderr, flush=True)
        await stop.wait()
