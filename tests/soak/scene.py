"""The processes of a soak, and what kills them: a Temporal server, workers, and a provider that is never killed."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from emulator.config import EmulatorConfig
from emulator.server import EmulatorServer
from tests.support.processes import API_KEY, DevServer, WorkerProcess

QUEUE = "soak"
SPEED = 200
"""Times faster than the provider: 4 s of 720p take half a second."""
URL_TTL = 15.0
"""Seconds. Short, so that URLs expire by themselves as well."""
CREATE_TIMEOUT = 4
"""Seconds. Short, so that an answer that never comes does not make the soak long."""
SERVER_SHARE = 0.2
"""Of all kills."""


class Scene:
    """Everything that runs. `kills` counts what was killed."""

    def __init__(self, folder: Path, emulator: EmulatorServer, workers: int) -> None:
        self._folder = folder
        self.emulator = emulator
        self.server = DevServer(folder)
        self._env = {
            "TEMPORAL_ADDRESS": self.server.address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": emulator.url,
            "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MANXUE_OUTPUT": str(folder / "videos"),
            "MANXUE_TASK_QUEUE": QUEUE,
            "MANXUE_LOG_FORMAT": "json",
            "MANXUE_CREATE_TIMEOUT": str(CREATE_TIMEOUT),
        }
        self.workers = [self._worker() for _ in range(workers)]
        self.kills: Counter[str] = Counter()

    def _worker(self) -> WorkerProcess:
        return WorkerProcess(self._folder, self._env)

    async def kill_at_random(self, chance: random.Random, every: float, most: int, over: asyncio.Event) -> None:
        """SIGKILL something about every so many seconds, and start it again, `most` times or until it is `over`."""
        while self.kills.total() < most:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), chance.uniform(0.5, 1.5) * every)
                return
            if chance.random() < SERVER_SHARE:
                self.server.kill()
                self.kills["Temporal server"] += 1
                await asyncio.sleep(chance.uniform(0, 2))
                await asyncio.to_thread(self.server.start)
            else:
                index = chance.randrange(len(self.workers))
                self.workers[index].kill()
                self.kills["worker"] += 1
                self.workers[index] = self._worker()

    def revive(self) -> None:
        """Start again the workers that found no server and gave up, as a supervisor does."""
        for index, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self.workers[index] = self._worker()

    def close(self) -> None:
        """End what is left."""
        for worker in self.workers:
            worker.kill()
        self.server.kill()


@asynccontextmanager
async def scene(folder: Path, seed: int, workers: int) -> AsyncIterator[Scene]:
    """A scene whose provider goes wrong as `seed` says."""
    config = EmulatorConfig(api_key=API_KEY, speed=SPEED, url_ttl=URL_TTL, chaos_seed=seed)
    async with EmulatorServer(config) as emulator:
        running = await asyncio.to_thread(Scene, folder, emulator, workers)
        try:
            yield running
        finally:
            await asyncio.to_thread(running.close)
