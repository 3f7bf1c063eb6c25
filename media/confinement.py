"""The other end of `confined.py`: starts the process, talks to it, and sees it gone."""

import asyncio
import os
import signal
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_SCRIPT = str(Path(__file__).with_name("confined.py"))
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that the process is told: no key, no credentials."""


class NotConfined(Exception):
    """The process could not begin, or was killed from outside: nothing is known about the file."""


class LimitsBroken(Exception):
    """What it read broke the process: its memory, its time, or FFmpeg."""


class ConfinedProcess:
    """A process that has begun. All methods raise LimitsBroken, or NotConfined, when it has ended."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self, size: int) -> bytes:
        """So many bytes of what it says."""
        assert self._process.stdout
        try:
            return await self._process.stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            raise await self._end() from None

    async def block(self, most: int) -> bytes:
        """Bytes that come with their count before them. More than `most` are taken for an attack."""
        (size,) = struct.unpack(">I", await self.read(4))
        if size > most:
            raise LimitsBroken
        return await self.read(size)

    async def write(self, content: bytes) -> None:
        """Answer it."""
        assert self._process.stdin
        try:
            self._process.stdin.write(content)
            await self._process.stdin.drain()
        except ConnectionError:
            raise await self._end() from None

    async def _end(self) -> Exception:
        if await self._process.wait() == -signal.SIGKILL:
            return NotConfined("the process that reads it was killed, perhaps because the machine has no memory left")
        return LimitsBroken()


@asynccontextmanager
async def confined(program: str, *arguments: str, stdin: BinaryIO | int = PIPE) -> AsyncIterator[ConfinedProcess]:
    """Run `program`, a module, in confinement. Its process is gone when the block is left, however it is.

    `stdin` is a file that it may read; a pipe to `write` to otherwise. Raises NotConfined.
    """
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    command = [sys.executable, "-P", _SCRIPT, program, *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=stdin, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError as error:
        raise NotConfined(f"the process that reads it cannot start: {error.strerror}") from None
    try:
        assert process.stdout
        if await process.stdout.read(1) != b"C":
            raise NotConfined("the process that reads it broke down before it began")
        yield ConfinedProcess(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
