"""Where a running local stack can be found: `.manxue/local.json`, and a lock that keeps a second stack away."""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

STATE_DIRECTORY = Path(".manxue")
WEBHOOK_SECRET_FILE = "webhook-secret"  # noqa: S105 - its name, not its content


class StateUnusable(Exception):
    """The state directory is another stack's, or cannot be written; the text says which and what to do."""


@dataclass(frozen=True)
class LocalState:
    """What others need to know of a running stack."""

    address: str
    namespace: str
    http_url: str
    """Of Temporal's HTTP API."""
    ui_url: str
    pid: int
    emulator_url: str | None
    speed: float | None
    """How many times faster than the provider the emulator is; None with the real provider."""
    staging_folder: str | None = None
    """Directory whose files the emulator serves; None with the real provider."""

    def temporal_environment(self) -> dict[str, str]:
        """The variables that point a process at the embedded server, and at nothing from a configuration file."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }

    def poll_rhythm(self) -> dict[str, float]:
        """How often to ask, in seconds, where the caller does not say: an emulator may be asked more often."""
        return {"first": 1, "interval": 2} if self.speed and self.speed > 1 else {}


def running_stack(directory: Path = STATE_DIRECTORY) -> LocalState | None:
    """The stack that runs with its state in `directory`; None when there is none, or when it died."""
    try:
        state = LocalState(**json.loads((directory / "local.json").read_text()))
        os.kill(state.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return state


def nearest_stack() -> LocalState | None:
    """The stack that runs in this directory, or in the nearest one above it."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        return None
    found = (running_stack(directory / STATE_DIRECTORY) for directory in (here, *here.parents))
    return next(filter(None, found), None)


def webhook_secret(directory: Path) -> str:
    """What the stack's notifications are signed with, made when it is first needed, and kept for receivers to read."""
    file = directory / WEBHOOK_SECRET_FILE
    if not file.exists() or not file.stat().st_size:  # made on a disk that was full
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "w") as opened:  # noqa: PTH123 - a path could not be given its rights from the beginning
            opened.write(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    return file.read_text().strip()


@contextmanager
def announced(directory: Path, state: LocalState) -> Iterator[None]:
    """Let others find the stack while the block lasts."""
    file = directory / "local.json"
    unfinished = directory / "local.json.new"
    unfinished.write_text(json.dumps(asdict(state), indent=2) + "\n")
    unfinished.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the state directory: two servers on one SQLite file would destroy each other's work.

    Raises StateUnusable.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("a")
    except OSError as error:
        raise StateUnusable(f"the state directory {directory} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateUnusable(_in_use(directory)) from error
        yield


def _in_use(directory: Path) -> str:
    state = running_stack(directory)
    who = f" by process {state.pid} (Temporal {state.address}, Web UI {state.ui_url})" if state else ""
    return (
        f"the Temporal database in {directory} is in use{who}; use that stack, stop it first, "
        "or start another one with --state DIRECTORY"
    )
