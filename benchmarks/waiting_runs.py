"""Many runs that wait on one worker, on a server of their own: started, let settle, and watched for a while."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from benchmarks.machine import cpu_seconds, idle_seconds
from benchmarks.waiting_kinds import Kind
from tests.support.processes import DevServer

_AT_ONCE = 20
_SAMPLE = 300
"""Questions, about, whose lateness is read from histories."""
_SOON = 3.0
"""Seconds from the start of a run to its first poll, at least."""


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
    """Seconds from when a question was due to when it was asked, sorted."""

    def per_poll(self, seconds: float) -> float:
        """Milliseconds."""
        return seconds / max(self.polls, 1) * 1e3

    def late_at(self, share: float) -> float:
        """A quantile, in seconds."""
        return self.late[int(share * (len(self.late) - 1))] if self.late else float("nan")


class Scene:
    """A server, and runs of one kind."""

    def __init__(self, kind: Kind, folder: Path, interval: float, client: Client, server: DevServer) -> None:
        self._kind, self._folder, self._interval, self._client, self._server = kind, folder, interval, client, server
        self._random = random.Random(1)
        self._runs, self._steady_polls, self._steady_at = 0, 0, 0.0

    def worker(self, cached: int) -> Any:
        """A running worker with a cache for so many runs; its process id."""
        return self._kind.worker(self._folder, self._server.address, cached)

    async def start(self, runs: int, interval: float) -> None:
        """Have so many runs, the new ones polled every `interval` seconds and spread evenly over it."""
        began, polls, new = time.monotonic(), self._kind.polls(), runs - self._runs
        numbers = iter(range(self._runs, runs))

        async def some() -> None:
            for number in numbers:
                # More at once would only pile up before the worker, and hold up its polls.
                await _until(lambda: self._kind.waiting(number) > number - 2 * _AT_ONCE)  # noqa: B023 - at once
                due = began + interval * (number - self._runs) / new
                first = max(due - time.monotonic(), _SOON)
                await self._start(number, first, interval)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        await _until(lambda: self._kind.waiting(runs) >= runs)
        more = self._kind.prelude - 1
        self._steady_at = max(began + interval, time.monotonic() + _SOON) + more * interval * 1.1 + _SOON
        self._runs, self._steady_polls = runs, polls + new + more * runs

    async def _start(self, number: int, first: float, interval: float) -> None:
        workflow, given, queue = self._kind.given(number, first, interval)
        existing = WorkflowIDConflictPolicy.USE_EXISTING
        while True:
            try:
                await self._client.start_workflow(
                    workflow, given, id=f"run-{number}", task_queue=queue, id_conflict_policy=existing
                )
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:  # so says a starved development server of its namespace
                    raise
                await asyncio.sleep(1)
            else:
                return

    async def steady(self) -> None:
        """Return when each new run has been polled so often that it goes on in the same way."""
        await asyncio.sleep(max(self._steady_at - time.monotonic(), 0))
        await _until(lambda: self._kind.polls() >= self._steady_polls)

    async def settle(self) -> None:
        """Return when half of the runs have been polled, about."""
        enough = self._kind.polls() + self._runs // 2
        await _until(lambda: self._kind.polls() >= enough)

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
        runs = round(_SAMPLE * self._interval / (ended - began).total_seconds())
        late: list[float] = []
        for number in self._random.sample(range(self._runs), min(runs, self._runs)):
            history = await self._client.get_workflow_handle(f"run-{number}").fetch_history()
            late += self._kind.questions(number, history.events).late(began, ended, datetime.now(UTC))
        return late


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - counted in another thread or process
        await asyncio.sleep(0.2)


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
