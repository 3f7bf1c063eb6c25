"""What the scenes are played on: a server, workers, and the provider, which does what a scene tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.support.connected import connected
from tests.support.processes import API_KEY, DevServer, WorkerProcess
from tests.support.provider import Provider, uploaded
from tests.support.runs import FAST, Handle, Runs, request
from tests.support.worker_versions import set_current

QUEUE = "manxue"
REFUSED = "refused-at-upload"
"""In the name of an image that the provider does not take."""
ASLEEP = {"first": 600, "interval": 600, "max_interval": 600}
"""When to ask the provider: not within a scene."""


@dataclass
class Stage:
    """Scenes share it, and are told apart by their words: in prompts, in names of images and in workflow ids."""

    folder: Path
    server: DevServer
    provider: Provider
    client: Client
    env: dict[str, str]
    asset_states: dict[str, str] = field(default_factory=dict)
    """Word of a scene -> the state of its assets; those of others are active at once."""
    places: dict[str, str] = field(default_factory=dict)
    """What only this machine has, as the address of a receiver -> what stands for it in the recorded histories."""
    workers: list[WorkerProcess] = field(default_factory=list)

    async def worker(self, queue: str, dies: str | None = None, **env: str) -> WorkerProcess:
        """A worker of the scene's own."""
        worker = WorkerProcess(self.folder, {**self.env, "MANXUE_TASK_QUEUE": queue, **env}, dies)
        self.workers.append(worker)
        return await asyncio.to_thread(worker.ready)

    async def version(self, deployment: str, build: str) -> WorkerProcess:
        """A worker that is a version, and the current one, on the task queue called as the deployment."""
        worker = await self.worker(deployment, MANXUE_DEPLOYMENT_NAME=deployment, MANXUE_BUILD_ID=build)
        await set_current(self.server, deployment, build)
        return worker

    def image(self, word: str) -> str:
        """The URL of an image of the scene's own."""
        return self.provider.image(f"{word}.png", f"hsl({sum(map(ord, word)) * 7 % 360}, 80%, {len(word) + 20}%)")

    async def render(self, word: str, queue: str = QUEUE, poll: dict[str, int] = FAST, **more: Any) -> Handle:
        """Start a run under the scene's word. Fields of the request come as `request`."""
        body = request(f"[{word}]", **more.pop("request", {}))
        given = {"request": body, "poll": poll, "name": word, **more}
        return await Runs(self.client, queue).start(given, workflow_id=word)


Scene = Callable[[Stage, str], Awaitable[None]]


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """With one worker on the ordinary task queue."""
    server, provider = await asyncio.to_thread(DevServer, folder), Provider()
    provider.start()
    env = {
        "TEMPORAL_ADDRESS": server.address,
        "MANXUE_API_KEY": API_KEY,
        "MANXUE_BASE_URL": provider.url,
        "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "MANXUE_OUTPUT": str(folder / "videos"),
    }
    client = await connected(server)
    on = Stage(folder, server, provider, client, env)
    provider.asset_states = lambda asset_id: next(
        (state for word, state in on.asset_states.items() if f"-{word}.png" in asset_id), "Active"
    )
    provider.on_upload = lambda urls: uploaded(urls, {url: "it cannot be fetched" for url in urls if REFUSED in url})
    try:
        await on.worker(QUEUE)
        yield on
    finally:
        for worker in on.workers:
            worker.kill()
        server.kill()
        provider.stop()
