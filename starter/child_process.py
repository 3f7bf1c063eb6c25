"""Child processes that end with this one, whatever becomes of it."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

_BOUND = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks the kernel (Linux) for SIGTERM when the parent dies, then becomes the program; a preexec_fn could deadlock."""


async def spawn(
    command: Sequence[str], env: Mapping[str, str], stdout: int | IO[bytes] | None, stderr: IO[bytes] | None
) -> asyncio.subprocess.Process:
    """Start a program that a Ctrl-C in this terminal does not reach, so that this process decides when it ends."""
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command]
    return await asyncio.create_subprocess_exec(
        *command, env=dict(env), stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
    )


async def end(process: asyncio.subprocess.Process, patience: float) -> None:
    """Ask the process to stop; kill it after `patience` seconds."""
    _signal(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), patience)
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """As process.send_signal, which would take the exit status of a dead child away from asyncio."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def last_line(log: Path) -> str:
    """What a log ends with, for an error message; empty when it says nothing."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
