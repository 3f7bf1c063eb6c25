"""Output to, and media from, an S3-compatible server: over HTTP, by a worker that knows it from its environment."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from obstore.exceptions import PermissionDeniedError
from temporalio.client import Client

from media.bucket import Bucket
from media.output import open_output
from media.storage import OutputUnavailable
from tests.support.media_server import image as picture
from tests.support.object_store import BUCKET, SECRET, ObjectStore
from tests.support.patience import PATIENCE
from tests.support.processes import WorkerProcess, free_port, worker_process
from tests.support.provider import Provider, size
from tests.support.runs import FAST, Handle, Runs, outcome, request
from tests.support.video import mp4

MARKER = ".manxue-worker"
CLOSED = f"http://127.0.0.1:{free_port()}"
NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


@pytest.fixture(scope="module")
def scratch(folder: Path) -> Path:
    """Where the worker keeps unfinished files."""
    return folder / "tmp" / "manxue-worker"


@pytest.fixture(scope="module")
def worker(folder: Path, worker_env: dict[str, str], store: ObjectStore, scratch: Path) -> Iterator[WorkerProcess]:
    scratch.parent.mkdir()
    env = {**worker_env, **store.env, "TMPDIR": str(scratch.parent), "MANXUE_TASK_QUEUE": "object-store"}
    with worker_process(folder, env) as worker:
        yield worker


@pytest.fixture
def runs(client: Client, worker: WorkerProcess) -> Runs:
    return Runs(client, "object-store")


@pytest.fixture
def env(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The worker's settings of the object store, in this process."""
    for name, value in store.env.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def finished(folder: Path, content: bytes) -> tuple[Path, str]:
    """A file as a download leaves it, with its digest."""
    file = folder / "finished.part"
    file.write_bytes(content)
    return file, hashlib.sha256(content).hexdigest()


async def test_the_video_and_what_goes_with_it_lie_under_the_prefix_and_nothing_else_remains(
    runs: Runs, provider: Provider, store: ObjectStore, scratch: Path, word: str
) -> None:
    result = await runs.result(request=request(word), poll=FAST, output=f"s3://{BUCKET}/{word}/", name=word)
    (body,) = provider.creates_of(word)
    found = store.read(word)
    beside = {f"{word}.mp4.json", f"{word}.poster.jpg", f"{word}.contact-sheet.jpg"}
    assert found.keys() == {MARKER, f"{word}.mp4", *beside}
    assert found[f"{word}.mp4"] == mp4(*size(body), body["duration"])
    assert json.loads(found[f"{word}.mp4.json"])["video"]["sha256"] == result["video"]["sha256"]
    assert result["video"]["uri"] == f"s3://{BUCKET}/{word}/{word}.mp4"
    assert list(scratch.iterdir()) == []


async def test_runs_that_want_one_name_at_once_keep_their_files_and_overwrite_nothing(
    runs: Runs, provider: Provider, store: ObjectStore, word: str
) -> None:
    taken = f"{word}-taken"
    store.at(word).put(f"{taken}.mp4", b"somebody's")
    given: dict[str, Any] = {"poll": FAST, "output": f"s3://{BUCKET}/{word}/"}
    lengths = {4: word, 6: word, 8: taken}
    results = await asyncio.gather(
        *(runs.result(request=request(word, duration=n), name=name, **given) for n, name in lengths.items())
    )
    found = store.read(word)
    names = {Path(result["video"]["uri"]).name: result for result in results}
    assert f"{word}.mp4" in names
    assert f"{taken}-{results[2]['task_id']}.mp4" in names
    for name, result in names.items():
        body = provider.tasks[result["task_id"]].body
        assert found[name] == mp4(*size(body), body["duration"])
    assert len(names) == len(results)
    assert found[f"{taken}.mp4"] == b"somebody's"


async def test_a_bucket_that_is_not_there_is_found_before_anything_is_bought(
    runs: Runs, provider: Provider, word: str
) -> None:
    failure = await runs.failure(request=request(word), output=f"s3://{word}/videos/")
    assert failure.type == "OutputUnavailable"
    assert f"s3://{word}/videos/" in failure.message
    assert "NoSuchBucket" in failure.message
    assert provider.creates_of(word) == []


async def test_a_store_that_goes_down_before_the_upload_is_waited_for_with_the_file_kept(
    runs: Runs, provider: Provider, store: ObjectStore, scratch: Path, word: str
) -> None:
    # The fourth query is the download's own, after its look at the store.
    provider.on_query[word] = lambda task: store.kill() if task.queries == 4 else None
    handle = await runs.start(request=request(word), poll=FAST, output=f"s3://{BUCKET}/{word}/")
    await download_has_failed_with(handle, "does not answer")
    (kept,) = scratch.glob("*.part")
    store.start()
    result = await outcome(handle)
    delivered = store.read(word)[f"{result['task_id']}.mp4"]
    assert hashlib.sha256(delivered).hexdigest() == result["video"]["sha256"]
    assert provider.ranges[result["task_id"]] == [None]  # fetched once
    assert len(provider.creates_of(word)) == 1
    assert not kept.exists()


async def test_a_video_in_the_store_waits_for_its_manifest_and_is_not_fetched_again(
    runs: Runs, provider: Provider, store: ObjectStore, word: str
) -> None:
    handle = await runs.start(request=request(word), poll=FAST, output=f"s3://{BUCKET}/{word}/", name=word)
    taken = [f"{word}.mp4.json", f"{word}.mp4-{handle.first_execution_run_id}.json"]
    for name in taken:
        store.at(word).put(name, b"somebody's")
    await download_has_failed_with(handle, "exists already with other content")
    provider.on_query[word] = lambda task: provider.status(task, "failed")  # there is no file any more
    store.at(word).delete(taken)
    result = await outcome(handle)
    found = store.read(word)
    assert hashlib.sha256(found[f"{word}.mp4"]).hexdigest() == result["video"]["sha256"]
    assert json.loads(found[taken[0]])["video"] == result["video"]
    assert provider.ranges[result["task_id"]] == [None]  # fetched once


async def download_has_failed_with(handle: Handle, words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(words in activity.last_failure.message for activity in pending):
                return
            await asyncio.sleep(0.1)


async def test_images_in_a_private_bucket_are_sent_as_urls_that_can_be_fetched_and_are_seen_nowhere_else(
    runs: Runs, provider: Provider, store: ObjectStore, worker: WorkerProcess, word: str
) -> None:
    content = picture()
    store.at(word).put("a b.png", content)
    image = f"s3://{BUCKET}/{word}/a%20b.png"
    sent: list[str] = []

    def upload(urls: list[str]) -> dict[str, Any]:
        sent.extend(urls)
        items = [{"originalUrl": url, "assetId": f"asset-{word}", "status": "submitted"} for url in urls]
        return {"code": "0", "msg": None, "data": {"items": items, "failedItems": []}}

    provider.on_upload = upload
    reviewed = await runs.start(request=request(word, first_image=image), poll=FAST)
    direct = await runs.start(request=request(word, first_image=image), poll=FAST, asset_review="none")
    assert (await outcome(reviewed))["assets"] == {image: f"asset-{word}"}
    await outcome(direct)
    provider.on_upload = None
    sent += [
        body["first_image"] for body in provider.creates_of(word) if body["first_image"] != f"asset://asset-{word}"
    ]
    assert len(sent) == 2
    async with httpx.AsyncClient(timeout=60) as http:
        assert [(await http.get(url)).content for url in sent] == [content] * 2
        assert (await http.get(sent[0].partition("?")[0])).status_code == 403
    histories = [json.dumps((await handle.fetch_history()).to_json_dict()) for handle in (reviewed, direct)]
    for told in (*histories, worker.log.read_text()):
        assert "X-Amz-Signature" not in told
        assert SECRET not in told


async def test_a_name_that_is_taken_after_the_look_at_it_is_not_overwritten(
    env: pytest.MonkeyPatch, store: ObjectStore, tmp_path: Path, word: str
) -> None:
    async def denied(*_: Any) -> None:
        raise PermissionDeniedError("what a store answers, without the permission to list, when nothing is there")

    store.at(word).put("a.mp4", b"the other's, a moment earlier")
    file, sha256 = finished(tmp_path, b"ours")
    env.setattr(obstore, "head_async", denied)
    assert await Bucket(f"s3://{BUCKET}/{word}", tmp_path).put_new(file, sha256, "a.mp4") is False
    assert store.read(word) == {"a.mp4": b"the other's, a moment earlier"}
    assert file.exists()


async def test_a_delivery_that_a_crash_cut_off_ends_under_the_same_name(
    env: pytest.MonkeyPatch, store: ObjectStore, tmp_path: Path, word: str
) -> None:
    content = bytes(range(256)) * 48_000  # uploaded, and looked through, in three parts
    for _ in range(2):  # the second finds what the first had brought when the worker died
        file, sha256 = finished(tmp_path, content)
        output = Bucket(f"s3://{BUCKET}/{word}", tmp_path)
        assert await output.deliver(file, sha256, ("a.mp4", "a-task.mp4")) == "a.mp4"
        assert not file.exists()
    assert store.read(word) == {"a.mp4": content}


async def test_an_upload_that_is_cancelled_leaves_no_parts_in_the_store(
    env: pytest.MonkeyPatch, store: ObjectStore, tmp_path: Path, word: str
) -> None:
    file = tmp_path / "finished.part"
    with file.open("wb") as opened:
        opened.truncate(600 * 1024**2)  # takes seconds
    upload = asyncio.create_task(Bucket(f"s3://{BUCKET}/{word}", tmp_path).put_new(file, word, "a.mp4"))
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(timeout=60) as http:

        async def in_parts() -> bool:
            return word in (await http.get(f"{store.url}/{BUCKET}?uploads")).text

        while not await in_parts():
            await asyncio.sleep(0.02)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert not await in_parts()
    assert store.read(word) == {}
    assert file.exists()


@pytest.mark.parametrize(
    ("output", "settings", "said"),
    [
        ("s3://read-only/x", {}, "access is denied"),
        (f"s3://{BUCKET}/x", {"AWS_ENDPOINT_URL": CLOSED}, "does not answer"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": None}, "Missing SecretAccessKey"),
        (f"s3://{BUCKET}/x", {**NO_KEYS, "AWS_METADATA_ENDPOINT": CLOSED}, "no credentials were found"),
    ],
)
async def test_what_keeps_the_store_from_being_written_is_named_without_secrets(
    env: pytest.MonkeyPatch, output: str, settings: dict[str, str | None], said: str
) -> None:
    for name, value in settings.items():
        env.setenv(name, value) if value else env.delenv(name)
    with pytest.raises(OutputUnavailable, match=said) as raised:
        await open_output(output).prepare()
    assert output in str(raised.value)
    assert SECRET not in str(raised.value)
    assert len(str(raised.value)) < 120
