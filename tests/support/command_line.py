"""The program `manxue`, or an example, as a user runs it: a process with arguments, environment and directory."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY, BIN
from tests.support.provider import SIGNATURE

SECRETS = (API_KEY, SIGNATURE)


@dataclass(frozen=True)
class Told:
    """What a command said, and how it left."""

    code: int
    out: str
    err: str


class Running:
    """A command that has not ended yet."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._read = self._put = ""

    async def says(self, text: str, seconds: float = PATIENCE) -> str:
        """Wait until `text` stands on standard error, and return what stands there so far."""
        assert self._process.stderr
        async with asyncio.timeout(seconds):
            while text not in self._read:
                line = await self._process.stderr.readline()
                assert line, f"{text!r} is not in:\n{self._read}"
                self._read += line.decode()
        return self._read

    async def puts(self, seconds: float = PATIENCE) -> str:
        """The next line of standard output, when it comes."""
        assert self._process.stdout
        line = (await asyncio.wait_for(self._process.stdout.readline(), seconds)).decode()
        self._put += line
        return line

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ctrl-C, or another signal."""
        self._process.send_signal(number)

    async def told(self, stdin: str = "", seconds: float = PATIENCE) -> Told:
        """Wait for the end. Whatever a command was, it showed no secret and no traceback."""
        out, err = await asyncio.wait_for(self._process.communicate(stdin.encode()), seconds)
        assert self._process.returncode is not None
        told = Told(self._process.returncode, self._put + out.decode(), self._read + err.decode())
        assert not [secret for secret in SECRETS if secret in told.out + told.err]
        assert "Traceback" not in told.err
        return told


@dataclass(frozen=True)
class CommandLine:
    """Runs a program in a directory, with `environment` in place of all variables of ours and of Temporal's."""

    folder: Path
    environment: Mapping[str, str]
    program: tuple[str, ...] = (str(BIN / "manxue"),)

    def with_(self, **environment: str) -> "CommandLine":
        """The same with other variables on top."""
        return replace(self, environment={**self.environment, **environment})

    @asynccontextmanager
    async def started(self, *words: str) -> AsyncIterator[Running]:
        """A command in the background, killed if it has not ended when the block has."""
        foreign = {name: v for name, v in os.environ.items() if not name.startswith(("MANXUE_", "TEMPORAL_"))}
        process = await asyncio.create_subprocess_exec(
            *self.program,
            *words,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.folder,
            env={**foreign, **self.environment},
        )
        try:
            yield Running(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, *words: str, stdin: str = "", seconds: float = PATIENCE) -> Told:
        """A command to its end."""
        async with self.started(*words) as running:
            return await running.told(stdin, seconds)

    async def run_all(self, *commands: tuple[str, ...], seconds: float = PATIENCE) -> list[Told]:
        """Commands side by side to their ends."""
        return list(await asyncio.gather(*(self.run(*words, seconds=seconds) for words in commands)))


def running_in(folder: Path) -> dict[int, str]:
    """The processes whose current directory is `folder`, whoever their parents are: pid -> command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return found
