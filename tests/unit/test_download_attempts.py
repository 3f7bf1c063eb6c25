"""Attempts of one download, each begun as Temporal begins it: with what the one before said last. A real provider, a
real server of the file, a real video."""

import asyncio
import hashlib
import ipaddress
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import activities.attempts
from activities.download import Download, Downloaded, DownloadInput
from manxue.checked_request import CheckedRequest
from manxue.client import ManxueClient
from manxue.vocabulary import Mode
from media.fetch import Fetcher
from media.guard import Address, AddressGuard
from media.partial_file import PartialFile
from media.storage import BLOCK
from tests.support.file_server import FileServer
from tests.support.processes import API_KEY
from tests.support.provider import Provider, Task
from tests.support.video import mp4

VIDEO = mp4(1280, 720, 4) + (3 * BLOCK).to_bytes(4, "big") + b"free" + bytes(3 * BLOCK - 8)


class Run:
    """The download of one run, whose video lies at a server of its own."""

    def __init__(self, manxue: ManxueClient, server: FileServer, word: str, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.addresses: list[Address] = [ipaddress.ip_address("127.0.0.1")]
        self._manxue, self._word = manxue, word
        self._said: list[Any] = []

    @property
    def left(self) -> set[str]:
        """The names in the output."""
        return {path.name for path in self.folder.iterdir()}

    def unfinished(self) -> int:
        """Bytes that wait to be gone on from."""
        return sum(path.stat().st_size for path in self.folder.glob(".*.part"))

    async def attempt(self, environment: ActivityEnvironment | None = None, **given: Any) -> Downloaded:
        async def resolve(host: str) -> list[Address]:
            return self.addresses

        environment = environment or ActivityEnvironment()
        environment.info = replace(environment.info, heartbeat_details=self._said, workflow_id=self._word)
        environment.on_heartbeat = lambda *said: self._said.__setitem__(slice(None), said)
        request = CheckedRequest(model="sd2_manxue_720p", prompt=self._word, duration=4, ratio="16:9", mode=Mode.TEXT)
        given = {"output": self.folder.as_uri(), "name": "film", "preview": False, **given}
        async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")]), resolve) as fetcher:
            download = Download(self._manxue, fetcher, "unused")
            return await environment.run(download.download, DownloadInput(task_id=self._word, request=request, **given))

    async def fails(self, status: int | None = None, cuts: list[int] | None = None, **given: Any) -> ApplicationError:
        """An attempt that does, the server of the file being so."""
        self.server.status, self.server.cuts = status, cuts or []
        with pytest.raises(ApplicationError) as raised:
            await self.attempt(**given)
        self.server.status = None
        return raised.value


@pytest.fixture
async def run(provider: Provider, word: str, tmp_path: Path) -> AsyncIterator[Run]:
    async with FileServer() as server, ManxueClient(API_KEY, provider.url) as manxue:
        server.content = VIDEO
        url = server.url.replace("127.0.0.1", "cdn.test")
        provider.tasks[word] = Task(word, {"prompt": word, "duration": 4})
        provider.on_query[word] = lambda task: provider.status(task, "completed", video_url=url)
        yield Run(manxue, server, word, tmp_path)
        del provider.on_query[word]


class Clock:
    """Stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 1_790_000_000.0
        monkeypatch.setattr(activities.attempts, "time", SimpleNamespace(time=lambda: self._now))

    def forward(self, minutes: float) -> None:
        self._now += 60 * minutes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# A URL that is refused


async def test_a_url_that_stays_refused_for_a_quarter_of_an_hour_ends_the_run(run: Run, clock: Clock) -> None:
    await run.fails(cuts=[1000])
    for _ in range(4):
        assert not (await run.fails(404)).non_retryable
        clock.forward(minutes=4)
    assert run.unfinished() == 1000
    assert (await run.fails(404)).non_retryable
    assert run.left == set()


async def test_bytes_between_two_refusals_begin_the_patience_anew(run: Run, clock: Clock) -> None:
    await run.fails(404)
    for _ in range(4):
        clock.forward(minutes=4)
        await run.fails(cuts=[run.unfinished() + 1000])
        assert not (await run.fails(403)).non_retryable
    await run.attempt()
    assert (run.folder / "film.mp4").read_bytes() == VIDEO


async def test_time_without_a_worker_is_no_refusal(run: Run, clock: Clock) -> None:
    for _ in range(3):
        assert not (await run.fails(404)).non_retryable
        clock.forward(minutes=24 * 60)
    await run.attempt()
    assert (run.folder / "film.mp4").read_bytes() == VIDEO


async def test_one_answer_of_dns_that_leads_inwards_ends_no_run(run: Run, clock: Clock) -> None:
    await run.fails(cuts=[1000])
    true, run.addresses = run.addresses, [ipaddress.ip_address("0.0.0.0")]
    failure = await run.fails()
    assert not failure.non_retryable
    run.addresses = true
    await run.attempt()
    assert run.server.asked[-1]["range"] == "bytes=1000-"
    assert (run.folder / "film.mp4").read_bytes() == VIDEO


async def test_a_private_address_is_never_asked_and_ends_the_run_when_it_stays(run: Run, clock: Clock) -> None:
    run.addresses = [ipaddress.ip_address("10.0.0.1")]
    for _ in range(4):
        assert not (await run.fails()).non_retryable
        clock.forward(minutes=4)
    failure = await run.fails()
    assert failure.non_retryable
    assert "cdn.test has the address 10.0.0.1, which is not public" in failure.message
    assert run.server.asked == []


# Cancellation


async def cancelled_in_the_middle(run: Run, **why: bool) -> None:
    """An attempt that is cancelled when a BLOCK has come."""
    run.server.cuts, run.server.stalls = [2 * BLOCK], True
    environment = ActivityEnvironment()
    attempt = asyncio.create_task(run.attempt(environment))
    async with asyncio.timeout(10):
        while run.unfinished() < BLOCK:
            await asyncio.sleep(0.01)
    environment.cancel(cancellation_details=ActivityCancellationDetails(**why))
    with pytest.raises(asyncio.CancelledError):
        await attempt
    run.server.stalls = False


@pytest.mark.parametrize("why", ["paused", "reset", "not_found", "timed_out", "worker_shutdown"])
async def test_an_attempt_that_ends_before_its_run_leaves_its_bytes_to_the_next(run: Run, why: str) -> None:
    await cancelled_in_the_middle(run, **{why: True})
    had = run.unfinished()
    await run.attempt()
    assert run.server.asked[-1]["range"] == f"bytes={had}-"
    assert had >= BLOCK
    assert (run.folder / "film.mp4").read_bytes() == VIDEO


async def test_nothing_is_left_of_a_download_whose_run_is_cancelled(run: Run) -> None:
    await cancelled_in_the_middle(run, cancel_requested=True)
    assert run.left == set()


@pytest.mark.parametrize("over", [False, True], ids=["kept", "removed"])
async def test_a_cancellation_while_the_beginning_is_read_again_does_what_it_does_later(
    run: Run, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    await run.fails(cuts=[BLOCK])
    reading, recall = threading.Event(), PartialFile._recall

    def slow(part: PartialFile) -> None:
        reading.set()
        time.sleep(0.2)
        recall(part)

    monkeypatch.setattr(PartialFile, "_recall", slow)
    environment = ActivityEnvironment()
    attempt = asyncio.create_task(run.attempt(environment))
    await asyncio.to_thread(reading.wait)
    why = ActivityCancellationDetails(cancel_requested=over, worker_shutdown=not over)
    environment.cancel(cancellation_details=why)
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (run.unfinished(), run.left == set()) == ((0, True) if over else (BLOCK, False))
    await run.attempt()  # nothing is in its way


# After the video was delivered


MANIFESTS = ("film.mp4.json", "film.mp4-{}.json")
POSTERS = ("film.poster.jpg", "film-{}.poster.jpg")


@pytest.fixture
async def delivered(run: Run) -> Run:
    """A run whose video is at its place, and nothing beside it, since others have the names; they are gone now."""
    run_id = ActivityEnvironment().info.workflow_run_id
    others = [run.folder / name.format(run_id) for name in (*MANIFESTS, *POSTERS)]
    for other in others:
        other.write_text("somebody's")
    failure = await run.fails(preview=True)
    assert "exists already with other content" in failure.message
    for other in others:
        other.unlink()
    return run


async def test_what_is_missing_beside_a_delivered_video_is_made_up_without_fetching_it_again(
    delivered: Run, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "failed")  # there is no file any more
    result = await delivered.attempt(preview=True)
    assert len(delivered.server.asked) == 1
    assert delivered.left == {"film.mp4", "film.mp4.json", "film.poster.jpg", "film.contact-sheet.jpg"}
    assert (delivered.folder / "film.mp4").read_bytes() == VIDEO
    told = json.loads((delivered.folder / "film.mp4.json").read_text())
    assert told["video"]["sha256"] == result.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert told["provider"]["created"] == 1790000000
    assert (result.renamed, result.warnings, told["warnings"]) == (False, [], [])


async def test_a_delivered_video_that_somebody_took_away_before_its_manifest_came_is_fetched_again(
    delivered: Run,
) -> None:
    (delivered.folder / "film.mp4").unlink()
    await delivered.attempt()
    assert delivered.left == {"film.mp4", "film.mp4.json"}
    assert (delivered.folder / "film.mp4").read_bytes() == VIDEO
