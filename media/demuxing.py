"""The other end of `demux.py`: hands the bytes of a remote file to the process that reads them."""

import json
import struct
from typing import Any

from media.confinement import ConfinedProcess, LimitsBroken, NotConfined, confined
from media.remote_file import MediaUnreadable, NotExamined, RemoteFile

_PROGRAM = "media.demux"
_MOST = 64 * 1024
"""Bytes of an answer."""


async def demux(file: RemoteFile) -> dict[str, Any]:
    """The facts, or `error`, as `demux.py` describes them. Its process is gone when this returns, however it does.

    Raises MediaUnreadable when the file breaks the process or its limits, and what `file` raises.
    """
    await file.read(0, 1)  # from then on it knows its length
    try:
        async with confined(_PROGRAM, str(file.length or 0)) as process:
            answer: dict[str, Any] = json.loads(await _serve(process, file))
    except NotConfined as error:
        raise NotExamined(str(error)) from None
    except (LimitsBroken, ValueError):  # ValueError: no JSON
        raise MediaUnreadable("is made so that reading it takes too much memory or time") from None
    return answer


async def _serve(process: ConfinedProcess, file: RemoteFile) -> bytes:
    while await process.read(1) == b"R":
        start, size = struct.unpack(">QI", await process.read(12))
        content = await file.read(start, size)
        await process.write(struct.pack(">I", len(content)) + content)
    return await process.block(_MOST)
