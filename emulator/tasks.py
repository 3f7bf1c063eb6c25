"""Accepted creates: where each stands by the clock, and the rendering of its video behind that. With a directory for
its state, the emulator goes on after a restart where it was, as a provider does.

Words in a prompt decide how its task ends: `[fail]` and `[fail: reason]` fail it once it has left the queue.
"""

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from emulator.assets import Asset, Assets
from emulator.config import EmulatorConfig
from emulator.faults import Faults
from emulator.fetching import Fetcher, FetchFailed
from emulator.kept import Kept
from emulator.ledger import Ledger
from emulator.render import render
from emulator.rules import Order, RuleBroken, check_recordings
from manxue.vocabulary import ASSET_SCHEME

FAIL_WORD = re.compile(r"\[fail(?::\s*(?P<reason>[^\]]*))?\]")
DEFAULT_FAILURE = "the content policy refused the request"

PARALLEL_RENDERS = 2
_PREFIX = "manxue-emulator-"


@dataclass
class Task:
    """One accepted create call. Times are Unix seconds."""

    id: str
    order: Order
    created: int
    processing_at: float
    completed_at: float
    file: Path
    etag: str | None = None
    """Set when the file is there: its SHA-256, quoted."""
    failure: str | None = None
    urls_since: float = 0.0
    """URLs that were made before have expired."""

    def status(self) -> str:
        """Where the task stands now. It is completed when its time has come and its file is there."""
        now = time.time()
        if now < self.processing_at:
            return "queued"
        if self.failure is not None:
            return "failed"
        return "completed" if self.etag and now >= self.completed_at else "processing"

    def progress(self) -> int:
        """Percent of the render, 99 at most."""
        share = (time.time() - self.processing_at) / (self.completed_at - self.processing_at)
        return max(0, min(99, int(share * 100)))


class Tasks:
    """All tasks, and a folder of their files, which is removed at the end unless it is to be kept."""

    def __init__(
        self, config: EmulatorConfig, assets: Assets, fetcher: Fetcher, faults: Faults, ledger: Ledger
    ) -> None:
        self._faults = faults
        self._ledger = ledger
        self._config = config
        self._assets = assets
        self._fetcher = fetcher
        self._kept = Kept(Task, config.state and config.state / "tasks")
        self._tasks = self._kept.all()
        # A render whose thread is still at work when the emulator stops may write one last file.
        self._temporary = None if config.state else TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self._folder = config.state or Path(self._temporary.name if self._temporary else "")
        self._jobs: set[asyncio.Task[None]] = set()
        self._renderers = asyncio.Semaphore(PARALLEL_RENDERS)

    async def close(self) -> None:
        """Give up what is being rendered and remove the files."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        if self._temporary:
            await asyncio.to_thread(self._temporary.cleanup)

    def resume(self) -> None:
        """Render what an earlier run of the emulator did not finish."""
        for task in self._tasks.values():
            task.file = self._folder / task.file.name
            if not task.etag and not task.failure:
                self._begin(task)

    def create(self, order: Order) -> Task:
        """Accept an order. Raises RuleBroken when it names an asset that may not be used."""
        self._used_assets(order)
        task_id = f"task-{uuid4().hex}"
        processing_at = time.time() + self._config.queue_seconds / self._config.speed
        render_seconds = self._config.render_seconds(order.model, order.duration) / self._config.speed
        task = Task(
            id=task_id,
            order=order,
            created=int(time.time()),
            processing_at=processing_at,
            completed_at=processing_at + render_seconds,
            file=self._folder / f"{task_id}.mp4",
        )
        self._tasks[task_id] = task
        self._kept.put(task_id, task)
        if word := FAIL_WORD.search(order.prompt):
            self._fail(task, word["reason"] or DEFAULT_FAILURE)
        elif self._faults.next("render", order.prompt, order.prompt):
            self._fail(task, DEFAULT_FAILURE)
        else:
            self._begin(task)
        return task

    def _begin(self, task: Task) -> None:
        job = asyncio.create_task(self._produce(task))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def find(self, task_id: str) -> Task | None:
        """The task of that id."""
        return self._tasks.get(task_id)

    def _used_assets(self, order: Order) -> dict[str, Asset]:
        media = {"Image": order.pictures, "Video": order.reference_videos, "Audio": order.reference_audios}
        return {
            url: self._assets.find_active(url, kind)
            for kind, urls in media.items()
            for url in urls
            if url.startswith(ASSET_SCHEME)
        }

    async def _produce(self, task: Task) -> None:
        async with self._renderers:
            try:
                assets = self._used_assets(task.order)
                pictures = [
                    assets[url].content if url in assets else await self._fetcher.picture(url)
                    for url in task.order.pictures
                ]
                for name, urls in task.order.recordings.items():
                    found = [
                        assets[url].recording if url in assets else await self._fetcher.recording(url) for url in urls
                    ]
                    check_recordings(name, sum(one.seconds for one in found), sum(one.bytes for one in found))
                await asyncio.to_thread(_render, task, pictures)
                self._has_content(task, await asyncio.to_thread(_sha256, task.file))
            except (FetchFailed, RuleBroken) as failure:
                self._fail(task, f"reference media cannot be used: {failure}")
            except Exception as error:  # whatever a render dies of, its task must end
                self._fail(task, f"render failed: {error}")

    async def replace_content(self, task: Task) -> None:
        """Give the task another file that plays the same: one more empty `free` box at its end."""
        await asyncio.to_thread(_append, task.file, b"\x00\x00\x00\x08free")
        self._has_content(task, await asyncio.to_thread(_sha256, task.file))

    def _has_content(self, task: Task, sha256: str) -> None:
        task.etag = f'"{sha256}"'
        self._kept.put(task.id, task)
        self._ledger.rendered.setdefault(task.id, []).append(sha256)
        self._ledger.ends.setdefault(task.id, max(time.time(), task.completed_at))

    def _fail(self, task: Task, reason: str) -> None:
        task.failure = self._ledger.failed[task.id] = reason
        self._ledger.ends[task.id] = max(time.time(), task.processing_at)
        self._kept.put(task.id, task)


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def _render(task: Task, pictures: list[bytes]) -> None:
    """Render to the task's file. Blocks."""
    order, unfinished = task.order, task.file.with_suffix(".part.mp4")
    render(
        unfinished,
        model=order.model,
        ratio=order.ratio,
        duration=order.duration,
        prompt=order.prompt,
        pictures=pictures,
    )
    unfinished.rename(task.file)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
