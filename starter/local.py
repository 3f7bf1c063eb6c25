"""The local stack: Temporal server, provider emulator and worker, started and ended as one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client

from settings import EncryptionSettings, WorkerSettings, load
from starter.child_process import end, last_line, spawn
from starter.dev_server import HOST, NAMESPACE, DevServer, LocalStackFailed, Ports, dev_server, usable_port
from starter.local_provider import announce_provider, keep_to_provider
from starter.local_state import STATE_DIRECTORY, LocalState, announced, locked, webhook_secret

T = TypeVar("T")

EMULATOR_KEY = "local-key"
_LOOPBACK = "127.0.0.0/8"
_EMULATOR_GRACE = 5.0
"""Seconds that a stopping worker gets when no real money is in flight."""
_EMULATOR_CREATE = 4.0
"""Seconds that an emulator's create call may take: no longer than that."""
_EXIT_PATIENCE = 10.0
"""Seconds beyond the grace before a worker is killed."""


@dataclass(frozen=True)
class StackOptions:
    """What can be chosen about a local stack."""

    state: Path = STATE_DIRECTORY
    """Directory of the database, the logs and local.json."""
    speed: float = 60
    """How many times faster than the provider the emulator is."""
    real: bool = False
    """Use the real provider instead of the emulator."""
    ports: Ports = field(default_factory=Ports)
    worker_log: Path | None = None
    """Where the worker's log lines go; None: the standard error of this process."""


@dataclass(frozen=True)
class LocalStack:
    """A running stack."""

    state: LocalState
    server: DevServer
    worker: asyncio.subprocess.Process
    options: StackOptions

    async def until(self, done: Coroutine[Any, Any, T]) -> T:
        """Wait for `done` while all parts run. Raises LocalStackFailed when one of them ends by itself before."""
        waiting = asyncio.ensure_future(done)
        parts: dict[asyncio.Future[Any], tuple[str, Path | None]] = {
            asyncio.ensure_future(self.server.process.wait()): ("Temporal server", self.server.log),
            asyncio.ensure_future(self.worker.wait()): ("worker", self.options.worker_log),
        }
        try:
            await asyncio.wait([waiting, *parts], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return await waiting
            name, log = next(what for part, what in parts.items() if part.done())
            where = f": {last_line(log) or 'it did not say why'} (its log: {log})" if log else "; the reason is above"
            raise LocalStackFailed(f"the {name} has ended by itself{where}")
        finally:
            for task in (waiting, *parts):
                task.cancel()


@asynccontextmanager
async def local_stack(options: StackOptions) -> AsyncIterator[LocalStack]:
    """Run all parts while the block lasts, and end them in reverse order.

    Raises LocalStackFailed, StateUnusable and SettingsError, as when the real provider is asked for without a key.
    """
    staging = options.state.resolve() / "staging"
    grace = load(WorkerSettings).shutdown_grace if options.real else _EMULATOR_GRACE
    async with AsyncExitStack() as parts:
        parts.enter_context(locked(options.state))
        codec_port = usable_port(None) if load(EncryptionSettings).encryption_keys else None
        codec_endpoint = f"http://{HOST}:{codec_port}" if codec_port else None
        server = await parts.enter_async_context(dev_server(options.state, options.ports, codec_endpoint))
        client = await Client.connect(server.address, namespace=NAMESPACE)
        await keep_to_provider(client, options.state, real=options.real)
        if codec_port:
            await parts.enter_async_context(_codec_server(codec_port, server.ui_url, options.state / "codec.log"))
        emulator_url = None
        if not options.real:
            emulator_url = await parts.enter_async_context(_emulator(options, staging))
        await announce_provider(client, emulator_url)
        secret = webhook_secret(options.state)
        speed, folder = (None, None) if options.real else (options.speed, str(staging))
        state = LocalState(
            server.address, NAMESPACE, server.http_url, server.ui_url, os.getpid(), emulator_url, speed, folder
        )
        worker = await parts.enter_async_context(_worker(state, options.worker_log, grace, secret))
        parts.enter_context(announced(options.state, state))
        yield LocalStack(state, server, worker, options)


def _provider_environment(emulator_url: str | None) -> dict[str, str]:
    if emulator_url is None:
        return {}
    networks = [os.environ.get("MANXUE_ALLOWED_NETWORKS", ""), _LOOPBACK]
    return {
        "MANXUE_BASE_URL": emulator_url,
        "MANXUE_API_KEY": EMULATOR_KEY,
        "MANXUE_ALLOWED_NETWORKS": ",".join(filter(None, networks)),
        "MANXUE_CREATE_TIMEOUT": str(_EMULATOR_CREATE),
    }


@asynccontextmanager
async def _emulator(options: StackOptions, staging: Path) -> AsyncIterator[str]:
    """With its tasks of earlier times, and at its earlier address where that is free: runs in flight know both."""
    from emulator.config import EmulatorConfig
    from emulator.server import EmulatorServer

    state = options.state.resolve() / "emulator"
    config = EmulatorConfig(api_key=EMULATOR_KEY, speed=options.speed, staging=staging, state=state)
    note = state / "port"
    async with AsyncExitStack() as serving:
        try:
            emulator = await serving.enter_async_context(EmulatorServer(config, port=int(note.read_text())))
        except (OSError, ValueError):
            emulator = await serving.enter_async_context(EmulatorServer(config))
        note.write_text(emulator.url.rpartition(":")[2])
        yield emulator.url


@asynccontextmanager
async def _codec_server(port: int, ui_url: str, log: Path) -> AsyncIterator[None]:
    """Lets the Web UI on this machine show what is encrypted."""
    command = [sys.executable, "-P", "-m", "starter.cli", "codec-server", "--no-auth"]
    with log.open("ab") as file:
        process = await spawn([*command, "--port", str(port), "--origin", ui_url], os.environ, file, file)
    try:
        yield
    finally:
        await end(process, _EXIT_PATIENCE)


@asynccontextmanager
async def _worker(
    state: LocalState, log: Path | None, grace: float, secret: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The worker as its own process, the same as in production."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    env = {**inherited, **state.temporal_environment(), **_provider_environment(state.emulator_url)}
    env["MANXUE_SHUTDOWN_GRACE"] = str(grace)
    env["MANXUE_WEBHOOK_SECRETS"] = env.get("MANXUE_WEBHOOK_SECRETS") or secret
    env.pop("MANXUE_DEPLOYMENT_NAME", None)  # a version gets no work before somebody has made it the current one
    # -P: a file worker.py in the current directory is not ours.
    command = [sys.executable, "-P", "-m", "worker"]
    if log:
        with log.open("ab") as file:
            process = await spawn(command, env, stdout=file, stderr=file)
    else:
        process = await spawn(command, env, stdout=None, stderr=None)
    try:
        yield process
    finally:
        await end(process, grace + _EXIT_PATIENCE)
