"""The other end of `demux.py`: hands the bytes of a remote file to the process that reads them."""

import asyncio
import json
import os
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

from media.remote_file import MediaUnreadable, NotExamined, RemoteFile

_SCRIPT = str(Path(__file__).with_name("demux.py"))
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that the process is told: no key, no credentials."""


async def demux(file: RemoteFile) -> dict[str, Any]:
    """The facts, or `error`, as `demux.py` describes them. Its process is gone when this returns, however it does.

    Raises MediaUnreadable when the file breaks the process or its limits, and what `file` raises.
    """
    await file.read(0, 1)  # from then on it knows its length
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    command = [sys.executable, "-P", _SCRIPT, str(file.length or 0)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError as error:
        raise NotExamined(f"the process that would read it cannot start: {error.strerror}") from None
    try:
        answer = await _serve(process, file)
        await process.wait()  # it ends after its answer, and when it is broken
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return answer


async def _serve(process: Process, file: RemoteFile) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    asked = False
    try:
        while await process.stdout.readexactly(1) == b"R":
            asked = True
            start, size = struct.unpack(">QI", await process.stdout.readexactly(12))
            content = await file.read(start, size)
            process.stdin.write(struct.pack(">I", len(content)) + content)
            await process.stdin.drain()
        (size,) = struct.unpack(">I", await process.stdout.readexactly(4))
        answer: dict[str, Any] = json.loads(await process.stdout.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):  # ValueError: no JSON
        if not asked:
            raise NotExamined("the process that would read it broke down before it began") from None
        raise MediaUnreadable("is made so that reading it takes too much memory or time") from None
    return answer
