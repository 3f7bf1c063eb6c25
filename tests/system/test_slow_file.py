"""One file that comes slowly, or in two attempts, by a real worker."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest
from temporalio.client import Client

from tests.support.file_server import FileServer
from tests.support.patience import PATIENCE
from tests.support.processes import WorkerProcess, worker_process
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, outcome, path_of, request
from tests.support.video import mp4

MIB = 1024**2


async def test_a_worker_killed_while_five_connections_bring_a_file_is_followed_by_one_that_goes_on_with_five(
    client: Client, provider: Provider, worker_env: dict[str, str], folder: Path, word: str
) -> None:
    content = mp4(1280, 720, 4) + (48 * MIB + 8).to_bytes(4, "big") + b"free" + random.Random(5).randbytes(48 * MIB)
    env = {**worker_env, "MANXUE_TASK_QUEUE": word}
    async with FileServer() as server:
        server.content, server.rate = content, 2 * MIB
        server.headers = {"ETag": f'"{word}"', "Accept-Ranges": "bytes"}
        provider.on_query[word] = lambda task: provider.status(task, "completed", video_url=server.url)
        first = WorkerProcess(folder, env).ready()
        handle = await Runs(client, word).start(request=request(word), poll=FAST, name=word)
        async with asyncio.timeout(PATIENCE):
            while server.open < 5 or come(folder, word) < 6 * MIB:
                await asyncio.sleep(0.05)
        first.kill()
        before, most = len(server.asked), server.most_open
        async with asyncio.timeout(PATIENCE):
            while server.open:  # until the server knows that nobody reads any more
                await asyncio.sleep(0.05)
        server.most_open = 0
        with worker_process(folder, env):
            result = await outcome(handle)
    assert path_of(result).read_bytes() == content
    assert len(provider.creates_of(word)) == 1
    assert most == 5
    assert server.most_open in (5, 6)  # the first is left before its end, which the server sees when the next has begun
    went_on = int(server.asked[before]["range"].removeprefix("bytes=").removesuffix("-"))
    assert went_on > 4 * MIB  # what had come in its turn is not fetched again


async def test_a_paused_download_goes_on_at_its_byte(runs: Runs, provider: Provider, folder: Path, word: str) -> None:
    full_speed = provider.drips[word] = threading.Event()
    handle = await runs.start(request=request(word), poll=FAST, name=word)
    service, namespace = runs.client.workflow_service, runs.client.namespace
    execution = WorkflowExecution(workflow_id=handle.id)
    async with asyncio.timeout(PATIENCE):
        while not come(folder, word):
            await asyncio.sleep(0.05)
        (pending,) = (await handle.describe()).raw_description.pending_activities
        given: dict[str, Any] = {"namespace": namespace, "execution": execution, "id": pending.activity_id}
        await service.pause_activity(PauseActivityRequest(**given))
        while pending.state != PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED:
            await asyncio.sleep(0.1)
            (pending,) = (await handle.describe()).raw_description.pending_activities
    had = come(folder, word)
    full_speed.set()
    await service.unpause_activity(UnpauseActivityRequest(**given))
    result = await outcome(handle)
    assert provider.ranges[result["task_id"]] == [None, f"bytes={had}-"]


def come(folder: Path, name: str) -> int:
    """Bytes of the partial file."""
    return sum(path.stat().st_size for path in (folder / "videos").glob(f".{name}.*.part"))
