"""Many runs that wait on one worker: ours and the bare reference, on a server of their own, watched for a while."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks import bare_waiting
from benchmarks.machine import cpu_seconds, idle_seconds
from tests.support.processes import API_KEY, ROOT, DevServer, spawn, wait_for, worker_process
from tests.support.provider import Provider
from tests.support.runs import request

_AT_ONCE = 20
_SAMPLE = 200
"""Runs whose histories are read for how late polls were."""


@dataclass
class Watched:
    """A while of waiting."""

    polls: int
    seconds: float
    worker: float
    """Processor seconds, as `server`."""
    server: float
    idle: float
    """Cores that nobody used."""
    late: list[float] = field(default_factory=list)
    """Seconds from when a timer was due to the start of the poll, sorted."""

    def per_poll(self, seconds: float) -> float:
        """Milliseconds."""
        return seconds / max(self.polls, 1) * 1e3

    def late_at(self, share: float) -> float:
        """A quantile, in seconds."""
        return self.late[int(share * (len(self.late) - 1))] if self.late else float("nan")


class Kind(Protocol):
    """What waits."""

    name: str

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """A running worker; its process id."""

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """Workflow, input and task queue of a run."""

    def polls(self) -> int:
        """So far."""


class Ours:
    """`GenerateVideo`, from the checks and the create call on."""

    name = "ours"

    def __init__(self) -> None:
        self._provider = Provider()
        self._provider.on_query["waiting"] = lambda task: self._provider.status(task, "processing")
        self._provider.start()

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """See `Kind`."""
        env = {
            "TEMPORAL_ADDRESS": address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": self._provider.url,
            "MANXUE_OUTPUT": str(folder / "videos"),
            "MANXUE_MAX_CACHED_WORKFLOWS": str(cached),
        }
        with worker_process(folder, env) as worker:
            yield worker.process.pid

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """See `Kind`."""
        poll = {"first": first, "interval": interval, "max_interval": interval}
        return "GenerateVideo", {"request": request(f"waiting {number}"), "preview": False, "poll": poll}, "manxue"

    def polls(self) -> int:
        """See `Kind`."""
        return sum(task.queries for task in self._provider.tasks.values())


class Bare:
    """Timers and polls, and nothing else."""

    name = "bare Temporal"

    def __init__(self) -> None:
        self._logs: list[Path] = []

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """See `Kind`."""
        log = folder / f"bare-{len(self._logs)}.log"
        log.touch()
        self._logs.append(log)
        process = spawn([sys.executable, "-m", "benchmarks.bare_waiting", address, str(cached)], log, cwd=ROOT)
        try:
            wait_for("worker.started", log, process)
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """See `Kind`."""
        return bare_waiting.WORKFLOW, {"first": first, "interval": interval}, bare_waiting.TASK_QUEUE

    def polls(self) -> int:
        """See `Kind`."""
        return sum(log.read_bytes().count(b".") for log in self._logs)


class Scene:
    """A server, and runs of one kind."""

    def __init__(self, kind: Kind, folder: Path, interval: float, client: Client, server: DevServer) -> None:
        self._kind, self._folder, self._interval, self._client, self._server = kind, folder, interval, client, server
        self._random = random.Random(1)
        self.runs = 0

    def worker(self, cached: int) -> Any:
        """A running worker with a cache for so many runs; its process id."""
        return self._kind.worker(self._folder, self._server.address, cached)

    async def start(self, runs: int) -> None:
        """Have so many runs, spread evenly over the interval; return when each has been polled."""
        numbers = iter(range(self.runs, runs))

        async def some() -> None:
            for number in numbers:
                first = self._interval * (0.2 + self._random.random())
                workflow, given, queue = self._kind.given(number, first, self._interval)
                await self._client.start_workflow(workflow, given, id=f"run-{number}", task_queue=queue)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        self.runs = runs
        await self.settle()

    async def settle(self) -> None:
        """Return when each has been polled, about."""
        enough = self._kind.polls() + self.runs
        while self._kind.polls() < enough:  # noqa: ASYNC110 - counted in another process
            await asyncio.sleep(0.5)

    async def watch(self, pid: int, seconds: float) -> Watched:
        """Count what the worker `pid` and the server do meanwhile."""

        def now() -> tuple[float, ...]:
            return self._kind.polls(), cpu_seconds(pid), cpu_seconds(self._server.pid), idle_seconds()

        began, before = datetime.now(UTC), now()
        await asyncio.sleep(seconds)
        ended, after = datetime.now(UTC), now()
        polls, worker, server, idle = (b - a for a, b in zip(before, after, strict=True))
        took = (ended - began).total_seconds()
        await asyncio.sleep(5)  # a poll that started late is written when it is over
        late = await self._late(began, ended)
        return Watched(int(polls), took, worker, server, idle / took, sorted(late))

    async def _late(self, began: datetime, ended: datetime) -> list[float]:
        late: list[float] = []
        for number in self._random.sample(range(self.runs), min(_SAMPLE, self.runs)):
            due: datetime | None = None
            scheduled: dict[int, datetime] = {}
            async for event in self._client.get_workflow_handle(f"run-{number}").fetch_history_events():
                at = event.event_time.ToDatetime(UTC)
                match event.event_type:
                    case EventType.EVENT_TYPE_TIMER_STARTED:
                        due = at + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
                    case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED if due and began <= due < ended:
                        scheduled[event.event_id] = due
                    case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                        poll = event.activity_task_started_event_attributes.scheduled_event_id
                        if poll in scheduled:
                            late.append((at - scheduled[poll]).total_seconds())
        return late


@asynccontextmanager
async def scene(kind: Kind, folder: Path, interval: float) -> AsyncIterator[Scene]:
    """A fresh server without runs, its files and those of its worker below `folder`."""
    folder = folder / kind.name.replace(" ", "-")
    folder.mkdir()
    server = DevServer(folder)
    try:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        yield Scene(kind, folder, interval, client, server)
    finally:
        server.kill()
