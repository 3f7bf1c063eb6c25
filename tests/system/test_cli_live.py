"""What a person sees in a terminal while a run goes on: the real program in a pseudo-terminal."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.processes import BIN, DevServer
from tests.support.provider import Provider

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command in a terminal of 100 columns, and all that it ever showed."""

    def __init__(self, folder: Path, address: str, *words: str) -> None:
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(BIN / "manxue", ["manxue", *words], {"TERM": "xterm-256color", "TEMPORAL_ADDRESS": address})
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._shown = ""

    async def shows(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until it has shown what the pattern describes, colours aside."""
        async with asyncio.timeout(seconds):
            while not (match := re.search(pattern, _ESCAPE.sub("", self._shown))):
                self._shown += (await asyncio.to_thread(os.read, self._screen, 65536)).decode(errors="replace")
        return match

    def close(self) -> None:
        """Ctrl-C, and whatever it still has to say: it could not end while nobody reads."""
        os.write(self._screen, b"\x03")
        with suppress(OSError):  # how a terminal ends on Linux
            while os.read(self._screen, 65536):
                pass
        os.waitpid(self._pid, 0)
        os.close(self._screen)


@contextmanager
def terminal(folder: Path, server: DevServer, *words: str) -> Iterator[Terminal]:
    """A command in a terminal, interrupted at the end."""
    screen = Terminal(folder, server.address, *words)
    try:
        yield screen
    finally:
        screen.close()


@pytest.mark.usefixtures("worker")
async def test_a_terminal_shows_queue_and_render_the_next_poll_and_the_bytes_of_the_download(
    server: DevServer, provider: Provider, tmp_path: Path, word: str
) -> None:
    provider.hold_file[word] = 50_000
    quick = ("--duration", "4", "--poll-first", "0", "--poll-interval", "3")
    with terminal(tmp_path, server, "generate", "--prompt", word, *quick) as screen:
        await screen.shows(r"queued.*\r?\n\s+(presumably|usually) .*\r?\n\s+queue \d s · next poll in \d s")
        await screen.shows(r"rendering .*\r?\n\s+(presumably|usually) .*\r?\n\s+queue \d s · render \d s")
        await screen.shows(r"downloading ━.* \d+ %.*\r?\n\s+queue .* · render .* · 50\.0 kB of [\d.]+ kB")
