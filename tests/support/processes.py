"""Child processes that end with the tests, whatever happens to the tests."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
API_KEY = "sk-test-0123456789abcdef"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""Makes the command end when this process does, be it by SIGKILL; a program of util-linux. Not by `preexec_fn`: between
fork and exec Python lets go of what other threads had, which FFmpeg's libraries can wait in for ever."""


def spawn(
    command: list[str],
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_WITH_PARENT, *command],
            stdin=stdin,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )


def wait_for(text: str, log: Path, process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> None:
    """Wait until `text` stands in the log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if text in log.read_text(errors="replace"):
            return
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.05)
    raise AssertionError(f"{text!r} did not appear in:\n{log.read_text(errors='replace')}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class DevServer:
    """The real Temporal development server, on its own port and SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for _ in range(5):  # another process can take a free port before the server does
            self.port = free_port()
            self.address = f"127.0.0.1:{self.port}"
            self._ui_port, self._http_port = free_port(), free_port()
            self.http_url = f"http://127.0.0.1:{self._http_port}"
            self.ui_url = f"http://127.0.0.1:{self._ui_port}"
            if self._started():
                return
        raise AssertionError((folder / "temporal.log").read_text())

    def start(self) -> None:
        """Start it again on the same port and file, after a `kill`."""
        if not self._started():
            raise AssertionError((self._folder / "temporal.log").read_text())

    def _started(self) -> bool:
        command = [str(BIN / "temporal"), "server", "start-dev", "--ui-disable-news-fetch", "--log-level", "error"]
        command += ["--port", str(self.port), "--http-port", str(self._http_port), "--metrics-port", str(free_port())]
        command += ["--ui-port", str(self._ui_port), "--db-filename", str(self._folder / "temporal.db")]
        command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"]  # a kill loses nothing
        self._process = spawn(command, self._folder / "temporal.log")
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            if all(map(_listens, (self.port, self._http_port, self._ui_port))):
                return True
            time.sleep(0.05)
        self.kill()
        return False

    @property
    def pid(self) -> int:
        """Of its one process."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


class WorkerProcess:
    """`python worker.py`, as an operator would start it."""

    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        dies: str | None = None,
        events: int | None = None,
        changed: bool = False,
    ) -> None:
        """`dies` is one of the points of tests.support.dying_worker; `events` is for tests.support.short_runs.

        With `changed` its renders have another order of steps: tests.support.changed_worker.
        """
        self.log = folder / f"worker-{time.monotonic_ns()}.log"
        self.log.touch()
        command = [str(ROOT / "worker.py")] if dies is None else ["-m", "tests.support.dying_worker", dies]
        command = command if events is None else ["-m", "tests.support.short_runs", str(events)]
        command = ["-m", "tests.support.changed_worker"] if changed else command
        env = {**os.environ, **env, "PYTHONPATH": str(ROOT)}
        self.process = spawn([sys.executable, *command], self.log, env, folder)

    def ready(self) -> "WorkerProcess":
        """Wait until it polls."""
        wait_for("worker.started", self.log, self.process)
        return self

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = PATIENCE) -> int:
        """SIGTERM, and wait."""
        self.process.terminate()
        return self.process.wait(seconds)


class EmulatorProcess:
    """`manxue emulator` on a free port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.log = folder / f"emulator-{time.monotonic_ns()}.log"
        self.log.touch()
        command = [str(BIN / "manxue"), "emulator", "--port", "0", "--key", API_KEY, *options]
        self._process = spawn(command, self.log, cwd=folder)
        wait_for("API key", self.log, self._process)
        self.url = self.log.read_text().split()[1]

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


@contextmanager
def worker_process(folder: Path, env: dict[str, str]) -> Iterator[WorkerProcess]:
    """A worker that polls, killed at the end."""
    worker = WorkerProcess(folder, env)
    try:
        yield worker.ready()
    finally:
        worker.kill()
