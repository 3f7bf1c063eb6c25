"""Starts what a generation can be in the hands of, each with a worker in a process of its own."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connection import ensure_search_attributes
from tests.support.connected import connected
from tests.support.processes import API_KEY, ROOT, DevServer, free_port, spawn, wait_for, worker_process
from tests.support.provider import Provider

OURS, WHOLE = "ours, orchestration", "ours, all but the file"
BARE, UNSANDBOXED = "bare Temporal", "bare Temporal, no sandbox"
POSTGRESQL, SQLITE = "DBOS, PostgreSQL", "DBOS, SQLite"

Start = Callable[[list[dict[str, Any]]], Coroutine[Any, Any, None]]
"""Begins a generation for each request, and returns when all that it can wait for is over."""


@dataclass
class Job:
    """An implementation that works."""

    name: str
    pid: int
    start: Start
    engine: int | None = None
    """The process that keeps the job, where it is another one."""
    judges: bool = False
    """Whether its children are not part of the worker, but read the files."""
    worker_ms: list[float] = field(default_factory=list)
    media_ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    """For each generation, one figure a round."""


async def temporal(running: ExitStack, server: DevServer, provider: Provider, folder: Path) -> list[Job]:
    """Our worker, our workflow alone, and a bare one, which end with `running`."""
    client = await connected(server)
    await ensure_search_attributes(client)
    env = {
        "TEMPORAL_ADDRESS": server.address,
        "MANXUE_API_KEY": API_KEY,
        "MANXUE_BASE_URL": provider.url,
        "MANXUE_OUTPUT": str(folder / "videos"),
        "MANXUE_SHUTDOWN_GRACE": "1",
    }

    def start(workflow: str, queue: str, given: Callable[[dict[str, Any]], Any]) -> Start:
        async def all_of(requests: list[dict[str, Any]]) -> None:
            begun = [
                await client.start_workflow(workflow, given(one), id=f"{queue}-{os.urandom(8).hex()}", task_queue=queue)
                for one in requests
            ]
            await asyncio.gather(*(handle.result() for handle in begun))

        return all_of

    def ours(one: dict[str, Any]) -> Any:
        return {"request": one, "preview": False, "poll": {"first": 1, "interval": 1, "max_interval": 1}}

    whole = running.enter_context(worker_process(folder, env)).process.pid
    alone = {**env, "MANXUE_TASK_QUEUE": "our-workflow"}
    workflow = running.enter_context(_process("our_workflow", provider, folder, server.address, env=alone))
    bare = running.enter_context(_process("bare", provider, folder, server.address))
    command = ["-m", "benchmarks.jobs.bare", "unsandboxed"]
    unsandboxed = running.enter_context(_process("unsandboxed", provider, folder, server.address, command=command))
    engine = server.pid
    return [
        Job(WHOLE, whole, start("GenerateVideo", "manxue", ours), engine, judges=True),
        Job(OURS, workflow, start("GenerateVideo", "our-workflow", ours), engine),
        Job(BARE, bare, start("Bare", "bare", lambda one: one), engine),
        Job(UNSANDBOXED, unsandboxed, start("Bare", "bareunsandboxed", lambda one: one), engine),
    ]


@contextmanager
def plain(provider: Provider, folder: Path) -> Iterator[Job]:
    """Without any engine."""
    reads, writes = os.pipe()
    with _process("plain", provider, folder, "", stdin=reads) as pid, os.fdopen(writes, "w") as pipe:

        async def start(requests: list[dict[str, Any]]) -> None:
            for one in requests:
                print(json.dumps(one), file=pipe, flush=True)

        yield Job("plain asyncio", pid, start)


@contextmanager
def dbos(provider: Provider, folder: Path, name: str, url: str, engine: int | None = None) -> Iterator[Job]:
    """Its requests come from outside the worker, as those of the others."""
    from dbos import DBOSClient as Dbos  # of the extra `bench`

    from benchmarks.jobs.dbos_job import NAME, QUEUE

    command = ["-m", "benchmarks.jobs.dbos_job"]
    with _process(name.replace(", ", "-"), provider, folder, url, command=command) as pid:
        client = Dbos(system_database_url=url)

        async def start(requests: list[dict[str, Any]]) -> None:
            for one in requests:
                await client.enqueue_async({"workflow_name": NAME, "queue_name": QUEUE}, one)

        yield Job(name, pid, start, engine)


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """A PostgreSQL of its own: a URL, and its process."""
    user = "postgres" if os.getuid() == 0 else None  # as root it does not run
    with tempfile.TemporaryDirectory() as name:
        if user:
            shutil.chown(name, user)
        data, port = f"{name}/data", free_port()
        made = ["initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"]
        subprocess.run(made, user=user, cwd=name, check=True, capture_output=True)
        command = ["postgres", "-D", data, "-k", name, "-c", f"port={port}", "-c", "listen_addresses=127.0.0.1"]
        server = subprocess.Popen(command, user=user, cwd=name, stderr=subprocess.DEVNULL)
        try:
            yield f"postgresql://bench@127.0.0.1:{port}/dbos", server.pid
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for who is connected, as it does after SIGTERM
            server.wait()


@contextmanager
def celery(provider: Provider, folder: Path) -> Iterator[Job]:
    """With a Redis of its own."""
    port = free_port()
    options = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec"]
    redis = spawn(["redis-server", *options], folder / "redis.log")
    url = f"redis://127.0.0.1:{port}/0"
    from benchmarks.jobs.celery_job import app, generate  # of the extra `bench`

    app.conf.broker_url = url
    command = ["-m", "celery", "-A", "benchmarks.jobs.celery_job", "worker", "--concurrency", "2"]
    try:
        wait_for("Ready to accept", folder / "redis.log", redis)
        with _process("celery", provider, folder, url, command=command) as pid:

            async def start(requests: list[dict[str, Any]]) -> None:
                for one in requests:
                    generate.delay(one)

            yield Job("Celery, Redis", pid, start, redis.pid)
    finally:
        redis.kill()
        redis.wait()


@contextmanager
def _process(
    name: str,
    provider: Provider,
    folder: Path,
    engine: str,
    stdin: int | None = None,
    command: list[str] | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[int]:
    """A process of `benchmarks.jobs` that works; its id."""
    files, log = folder / name, folder / f"{name}.log"
    files.mkdir()
    log.touch()
    told = {"JOB_URL": provider.url, "JOB_KEY": API_KEY, "JOB_FOLDER": str(files), "JOB_ENGINE": engine}
    env = {**os.environ, **(env or {}), **told, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = spawn([sys.executable, *(command or ["-m", f"benchmarks.jobs.{name}"])], log, env, folder, stdin)
    try:
        wait_for("worker.started" if name == "our_workflow" else "ready", log, process)
        yield process.pid
    finally:
        process.kill()
        process.wait()
