"""The other end of `confined.py`: has the process started, talks to it, and sees it gone."""

import asyncio
import atexit
import errno
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from socket import SHUT_WR, send_fds, socket, socketpair
from typing import BinaryIO

from media.confined import REQUEST, STATUS

_SCRIPT = str(Path(__file__).with_name("confined.py"))
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that the process is told: no key, no credentials."""
_FROM_OUTSIDE = tuple(
    -number for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
)
"""Exit codes of a process that somebody else has ended: no file brings them about."""
_FULL = 0.01
"""Seconds until a fork server that is still starting may have taken a request."""


class NotConfined(Exception):
    """The process could not begin, or was killed from outside: nothing is known about the file."""


class LimitsBroken(Exception):
    """What it read broke the process: its memory, its time, or FFmpeg."""


class ConfinedProcess:
    """A process that has begun. All methods raise LimitsBroken, or NotConfined, when it has ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, control: socket) -> None:
        self._reader, self._writer, self._control = reader, writer, control

    async def read(self, size: int) -> bytes:
        """So many bytes of what it says."""
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._end() from None

    async def block(self, most: int) -> bytes:
        """Bytes that come with their count before them. More than `most` are taken for an attack."""
        (size,) = struct.unpack(">I", await self.read(4))
        if size > most:
            raise LimitsBroken
        return await self.read(size)

    async def write(self, content: bytes) -> None:
        """Answer it."""
        try:
            self._writer.write(content)
            await self._writer.drain()
        except ConnectionError:
            raise await self._end() from None

    async def _end(self) -> Exception:
        code = await _exit_code(self._control)
        if code is None or code in _FROM_OUTSIDE:
            return NotConfined("the process that reads it was killed, perhaps because the machine has no memory left")
        return LimitsBroken()


class _ForkServer:
    """For one program and environment, from its first use to the end of this process, whatever ends it."""

    def __init__(self, program: str, environment: dict[str, str]) -> None:
        self._jobs, theirs = socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and a script of ours
                [sys.executable, "-P", _SCRIPT, program],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # what the terminal sends, such as Ctrl-C, is for the worker alone
            )
        self._jobs.setblocking(False)

    async def begin(self, arguments: tuple[str, ...], files: list[int]) -> None:
        """Raises OSError when it has ended."""
        request = json.dumps(arguments).encode().ljust(REQUEST)
        while True:
            try:
                if send_fds(self._jobs, [request], files) == REQUEST:
                    return
                raise OSError(errno.EMSGSIZE, "a request was cut")
            except BlockingIOError:
                await asyncio.sleep(_FULL)

    def stop(self) -> None:
        """Returns when it is gone, and with it all that it has forked."""
        self._jobs.close()
        self._process.wait()


_servers: dict[tuple[str, ...], _ForkServer] = {}


@atexit.register
def end_fork_servers() -> None:
    """Whoever reads something meanwhile is told NotConfined; the next one to read something has another begin."""
    while _servers:
        _servers.popitem()[1].stop()


async def _begin(program: str, arguments: tuple[str, ...], files: list[int]) -> None:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    key = (program, *environment.values())
    while True:
        known = _servers.get(key)
        server = _servers[key] = known or _ForkServer(program, environment)
        try:
            await server.begin(arguments, files)
        except OSError:
            if _servers.get(key) is server:
                del _servers[key]
                server.stop()
            if not known:
                raise
        else:
            return


async def _exit_code(control: socket) -> int | None:
    """Of the process, when it has ended; None when nobody can tell."""
    try:
        content = await asyncio.get_running_loop().sock_recv(control, STATUS.size)
    except ConnectionError:
        return None
    return int(STATUS.unpack(content)[0]) if content else None


@asynccontextmanager
async def confined(program: str, *arguments: str, stdin: BinaryIO | None = None) -> AsyncIterator[ConfinedProcess]:
    """Run `program`, a module, in confinement. Its process is gone when the block is left, however it is.

    `stdin` is a file that it may read; what is written to the process otherwise. Raises NotConfined.
    """
    control, theirs = socketpair()
    ours, stdout = socketpair()
    with control, ours:
        control.setblocking(False)
        with theirs, stdout:
            files = [(stdin or stdout).fileno(), stdout.fileno(), theirs.fileno()]
            try:
                await _begin(program, arguments, files)
            except OSError as error:
                raise NotConfined(f"the process that reads it cannot start: {error.strerror}") from None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            with closing(writer):
                if await _first(reader) != b"C":
                    raise NotConfined("the process that reads it broke down before it began")
                yield ConfinedProcess(reader, writer, control)
        finally:
            control.shutdown(SHUT_WR)
            await _exit_code(control)


async def _first(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1)
    except ConnectionError:
        return b""
