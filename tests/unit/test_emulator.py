"""The emulator keeps the provider's documented promises, on real HTTP."""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import pytest_asyncio

from emulator.config import EmulatorConfig
from emulator.samples import sample_image
from emulator.server import EmulatorServer
from manxue.vocabulary import ASSET_STATUS_PATH, ASSET_UPLOAD_PATH, CREATE_PATH, MODELS, RESULT_PATH, VIDEO_MODELS
from tests.support.caller import BASE, KEY, URL, Caller
from tests.support.media_server import MediaServer, audio

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller() -> AsyncIterator[Caller]:
    async with EmulatorServer(EmulatorConfig(api_key=KEY, speed=1000)) as emulator:
        caller = Caller(emulator)
        yield caller
        await caller.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def task_id(caller: Caller) -> str:
    """A finished task."""
    task_id = await caller.create(prompt="a red kite over the sea", ratio="1:1")
    assert (await caller.ended(task_id))["status"] == "completed"
    return task_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def content(caller: Caller, task_id: str) -> bytes:
    """The whole file of the finished task."""
    answer = await caller.open.get((await caller.query(task_id))["video_url"])
    assert answer.status_code == 200
    return answer.content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pictures() -> AsyncIterator[str]:
    """The base URL of a host that has the same picture under every path."""
    png = sample_image("square") or b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(png) + png)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_an_image_goes_through_review_into_a_video_that_plays(caller: Caller) -> None:
    item = (await caller.upload(imageUrls=[caller.sample]))["items"][0]
    assert item == {
        "assetType": "Image",
        "originalUrl": caller.sample,
        "assetId": item["assetId"],
        "status": "submitted",
    }
    assert await caller.reviewed(item["assetId"]) == "Active"
    body = {**BASE, "prompt": "a walk", "first_image": f"asset://{item['assetId']}", "ratio": "9:16"}
    created = await caller.post(CREATE_PATH, body)
    assert {**created, "id": 0, "created": 0} == {
        "id": 0,
        "object": "video",
        "created": 0,
        "model": BASE["model"],
        "status": "queued",
        "error": None,
    }
    assert abs(created["created"] - time.time()) < 60
    answer = await caller.ended(created["id"])
    assert (answer["status"], answer["actualDuration"], answer["error"]) == ("completed", 4, None)
    video = await caller.open.get(answer["video_url"])
    assert video.headers["content-type"] == "video/mp4"
    with av.open(BytesIO(video.content), "r") as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.height > stream.width
        assert float(container.duration or 0) / av.time_base == pytest.approx(4, abs=0.3)


async def test_resellers_wrap_the_answer_to_a_create() -> None:
    async with EmulatorServer(EmulatorConfig(api_key=KEY, wrapped_create=True)) as emulator:
        caller = Caller(emulator)
        answer = await caller.post(CREATE_PATH, BASE)
        task_id = answer["data"]["projectId"]
        assert answer == {"code": "0", "msg": None, "data": {"projectId": task_id}}
        assert (await caller.query(task_id))["status"] == "queued"
        await caller.close()


async def test_a_render_shows_its_progress() -> None:
    async with EmulatorServer(EmulatorConfig(api_key=KEY, queue_seconds=0)) as emulator:
        caller = Caller(emulator)
        answer = await caller.query(await caller.create(prompt="slow", first_image=caller.sample))
        assert (answer["status"], answer["progress"], answer["video_url"]) == ("processing", 0, None)
        await caller.close()


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY])
async def test_every_call_needs_the_key(caller: Caller, key: str) -> None:
    creates, uploads = len(caller.ledger.creates), len(caller.ledger.uploads)
    for method, path in (
        ("POST", CREATE_PATH),
        ("GET", RESULT_PATH.format(id="x")),
        ("POST", ASSET_UPLOAD_PATH),
        ("POST", ASSET_STATUS_PATH),
    ):
        answer = await caller.open.request(method, path, json=BASE, headers={"Authorization": key})
        assert answer.status_code == 401
        assert answer.json()["msg"]
    assert (creates, uploads) == (len(caller.ledger.creates), len(caller.ledger.uploads))


ACCEPTED: list[dict[str, Any]] = [
    *({"model": model} for model in MODELS + VIDEO_MODELS),
    *({"ratio": ratio} for ratio in ("16:9", "21:9", "4:3", "1:1", "3:4", "9:16")),
    {"duration": 15},
    {"duration": None, "first_image": None, "referenceImages": None},
    {"image": URL, "lastFrameImage": URL},
    {"image": URL, "first_image": URL, "last_image": URL, "lastFrameImage": URL},
    {"first_image": URL, "referenceImages": []},
    {"referenceImages": [URL] * 9, "referenceVideos": [URL] * 3, "referenceAudios": [URL] * 3},
    {"seed": 7, "watermark": False},
]


@pytest.mark.parametrize("fields", ACCEPTED, ids=str)
async def test_a_good_order_is_accepted(caller: Caller, fields: dict[str, Any]) -> None:
    task_id = await caller.create(**fields)
    create = caller.ledger.creates[-1]
    assert (create.body, create.accepted, create.task_id) == ({**BASE, **fields}, True, task_id)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": "sd2_manxue_8k"}, "model"),
    ({"model": ["sd2_manxue_720p"]}, "model"),
    ({"prompt": None}, "prompt"),
    ({"prompt": "  "}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"duration": 3}, "duration"),
    ({"duration": 16}, "duration"),
    ({"duration": 5.5}, "duration"),
    ({"duration": "5"}, "duration"),
    ({"duration": True}, "duration"),
    ({"ratio": "2:1"}, "ratio"),
    ({"ratio": ""}, "ratio"),
    ({"last_image": URL}, "last_image"),
    ({"lastFrameImage": URL}, "last_image"),
    ({"first_image": URL, "image": f"{URL}?2"}, "conflict"),
    ({"first_image": URL, "last_image": URL, "lastFrameImage": f"{URL}?2"}, "conflict"),
    ({"first_image": URL, "referenceImages": [URL]}, "combined"),
    ({"image": URL, "referenceAudios": [URL]}, "combined"),
    ({"first_image": URL, "last_image": URL, "referenceVideos": [URL]}, "combined"),
    ({"referenceImages": [URL] * 10}, "referenceImages"),
    ({"referenceVideos": [URL] * 4}, "referenceVideos"),
    ({"referenceAudios": [URL] * 4}, "referenceAudios"),
    ({"referenceImages": URL}, "referenceImages"),
    ({"referenceImages": [1]}, "referenceImages"),
    ({"first_image": "ftp://media.example.com/a.png"}, "first_image"),
    ({"first_image": "assetId://a"}, "first_image"),
    ({"first_image": "asset://"}, "first_image"),
    ({"first_image": "asset://nobody-knows"}, "nobody-knows"),
    ({"referenceVideos": ["asset://nobody-knows"]}, "nobody-knows"),
]


@pytest.mark.parametrize(("fields", "word"), REFUSED, ids=str)
async def test_a_bad_order_is_refused_with_a_reason(caller: Caller, fields: dict[str, Any], word: str) -> None:
    answer = await caller.post(CREATE_PATH, {**BASE, **fields}, status=400)
    assert answer["code"] == 400
    assert word in answer["msg"]
    assert not caller.ledger.creates[-1].accepted


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"prompt": NaN}', b'{"prompt": "\\ud800"}', b"\xff"])
async def test_nonsense_is_refused(caller: Caller, body: bytes) -> None:
    assert (await caller.http.post(CREATE_PATH, content=body)).status_code == 400
    for path in (ASSET_UPLOAD_PATH, ASSET_STATUS_PATH):
        answer = await caller.http.post(path, content=body)
        assert answer.status_code == 200
        assert answer.json()["code"] == "400"
    assert (await caller.open.get("/_emulator/ledger")).status_code == 200


@pytest.mark.parametrize(
    ("prompt", "reason"), [("[fail: too violent] x", "too violent"), ("x [fail]", "the content policy")]
)
async def test_a_prompt_can_ask_for_its_failure(caller: Caller, prompt: str, reason: str) -> None:
    answer = await caller.ended(await caller.create(prompt=prompt))
    assert (answer["status"], answer["video_url"]) == ("failed", None)
    assert answer["error"].startswith(reason)


@pytest.mark.parametrize("field", ["first_image", "referenceVideos"])
async def test_media_that_cannot_be_fetched_fail_the_task(caller: Caller, field: str) -> None:
    url = f"{caller.sample}/missing"
    answer = await caller.ended(await caller.create(prompt="x", **{field: url if field == "first_image" else [url]}))
    assert answer["status"] == "failed"
    assert "404" in answer["error"]


async def test_recordings_that_are_too_long_together_fail_the_task(caller: Caller) -> None:
    files = MediaServer().start()
    try:
        long = [files.serve(f"{name}.mp3", audio(seconds=8)) for name in "ab"]
        asset_id = (await caller.upload(audioUrls=long))["items"][0]["assetId"]
        await caller.reviewed(asset_id)
        for together in (long, [long[0], f"asset://{asset_id}"]):
            answer = await caller.ended(await caller.create(prompt="x", referenceAudios=together))
            assert answer["status"] == "failed"
            assert "referenceAudios last 16." in answer["error"]
    finally:
        files.stop()


async def test_an_upload_can_succeed_in_part(caller: Caller) -> None:
    missing, text = f"{caller.sample}/missing", str(caller.open.base_url.join("/_emulator/ledger"))
    wrong = [missing, text, "http://127.0.0.1:1/", "asset://x"]
    data = await caller.upload(imageUrls=[missing, caller.sample, *wrong[1:]], videoUrls=[caller.sample])
    assert [(item["assetType"], item["originalUrl"]) for item in data["items"]] == [
        ("Image", caller.sample),
        ("Video", caller.sample),
    ]
    assert [item["originalUrl"] for item in data["failedItems"]] == wrong
    assert all(item["errorMessage"] for item in data["failedItems"])


async def test_a_refused_image_cannot_be_used(caller: Caller, pictures: str) -> None:
    asset_id = (await caller.upload(imageUrls=[f"{pictures}/refused.png"]))["items"][0]["assetId"]
    assert await caller.reviewed(asset_id) == "Failed"
    answer = await caller.post(CREATE_PATH, {**BASE, "first_image": f"asset://{asset_id}"}, status=400)
    assert "Failed" in answer["msg"]


async def test_an_asset_can_be_used_only_after_its_review_and_as_what_it_is() -> None:
    async with EmulatorServer(EmulatorConfig(api_key=KEY)) as emulator:
        caller = Caller(emulator)
        asset_id = (await caller.upload(imageUrls=[caller.sample]))["items"][0]["assetId"]
        states = (await caller.post(ASSET_STATUS_PATH, {"assetIds": [asset_id, "other"]}))["data"]
        assert states["items"] == [{"assetId": asset_id, "status": "Processing"}]
        assert [item["assetId"] for item in states["failedItems"]] == ["other"]
        answer = await caller.post(CREATE_PATH, {**BASE, "first_image": f"asset://{asset_id}"}, status=400)
        assert "Processing" in answer["msg"]
        answer = await caller.post(CREATE_PATH, {**BASE, "referenceAudios": [f"asset://{asset_id}"]}, status=400)
        assert "audio" in answer["msg"]
        await caller.close()


async def test_what_does_not_exist_answers_404_in_json(caller: Caller) -> None:
    assert (await caller.http.get(RESULT_PATH.format(id="x"))).json()["code"] == -1
    for method, path in (
        ("GET", "/v2/x"),
        ("GET", CREATE_PATH),
        ("POST", f"{CREATE_PATH}/"),
        ("GET", "/samples/cat.png"),
    ):
        answer = await caller.http.request(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"message": f"No handler found for {method} {path}"}


async def test_each_query_gives_a_fresh_url_that_nobody_can_change(caller: Caller, task_id: str) -> None:
    first, second = [(await caller.query(task_id))["video_url"] for _ in range(2)]
    assert first != second
    url = httpx.URL(first)
    assert KEY not in first
    later = url.copy_set_param("expires", str(int(url.params["expires"]) + 1))
    other = url.copy_with(path="/files/other.mp4")
    for changed in (later, other, url.copy_with(query=b""), url.copy_set_param("signature", "é")):
        assert (await caller.open.get(changed)).status_code == 403
    assert (await caller.open.head(first)).status_code == 200
    assert (await caller.http.get(first)).status_code == 400, "an API key was sent to the file host"


async def test_a_url_expires() -> None:
    async with EmulatorServer(EmulatorConfig(api_key=KEY, speed=1000, url_ttl=0)) as emulator:
        caller = Caller(emulator)
        answer = await caller.ended(await caller.create(prompt="gone"))
        assert (await caller.open.get(answer["video_url"])).status_code == 403
        await caller.close()


@pytest.mark.parametrize(
    ("header", "window"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=1000-1999", slice(1000, 2000)),
        ("Bytes=-500", slice(-500, None)),
        ("bytes=5-99999999999", slice(5, None)),
        ("bytes=-99999999999", slice(0, None)),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    caller: Caller, task_id: str, content: bytes, header: str, window: slice
) -> None:
    answer = await caller.open.get((await caller.query(task_id))["video_url"], headers={"Range": header})
    expected, first = content[window], window.indices(len(content))[0]
    assert answer.status_code == 206
    assert answer.content == expected
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(content)}"
    assert int(answer.headers["content-length"]) == len(expected)
    served = caller.ledger.files[-1]
    assert (served.task_id, served.first_byte) == (task_id, first)


@pytest.mark.parametrize("header", ["bytes=2-1", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "5-6"])
async def test_a_range_that_means_nothing_gives_the_whole_file(
    caller: Caller, task_id: str, content: bytes, header: str
) -> None:
    answer = await caller.open.get((await caller.query(task_id))["video_url"], headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, content)


async def test_a_range_beyond_the_end_is_refused_with_the_size(caller: Caller, task_id: str, content: bytes) -> None:
    url = (await caller.query(task_id))["video_url"]
    for header in (f"bytes={len(content)}-", "bytes=-0"):
        answer = await caller.open.get(url, headers={"Range": header})
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(content)}"


async def test_if_range_resumes_the_same_file_only(caller: Caller, task_id: str, content: bytes) -> None:
    url = (await caller.query(task_id))["video_url"]
    head = (await caller.open.head(url, headers={"Range": "bytes=7-"})).headers
    assert head["accept-ranges"] == "bytes"
    assert int(head["content-length"]) == len(content)
    etag, modified = head["etag"], head["last-modified"]
    assert etag.startswith('"')
    for validator, status in ((etag, 206), (modified, 206), ('"other"', 200), (f"W/{etag}", 200)):
        answer = await caller.open.get(url, headers={"Range": "bytes=7-", "If-Range": validator})
        assert answer.status_code == status, validator
        assert answer.content == (content[7:] if status == 206 else content)
    beyond = {"Range": f"bytes={len(content)}-", "If-Range": '"other"'}
    assert (await caller.open.get(url, headers=beyond)).status_code == 200


async def test_the_ledger_tells_all_but_the_key(caller: Caller, task_id: str, content: bytes) -> None:
    queries = caller.ledger.queries[task_id]
    await caller.open.get((await caller.query(task_id))["video_url"], headers={"Range": "bytes=10-19"})
    answer = await caller.open.get("/_emulator/ledger")
    ledger = answer.json()
    assert ledger["queries"][task_id] == queries + 1
    assert ledger["files"][-1] == {"task_id": task_id, "first_byte": 10, "bytes": 10}
    assert [create["task_id"] for create in ledger["creates"]].count(task_id) == 1
    assert ledger["rendered"][task_id] == [sha256(content).hexdigest()]
    assert set(ledger) == {"creates", "ends", "uploads", "status_calls", "queries", "rendered", "failed", "files"}
    assert KEY not in answer.text


async def test_stopping_is_prompt_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    handler = signal.getsignal(signal.SIGINT)
    async with EmulatorServer(EmulatorConfig(api_key=KEY, speed=1000)) as emulator:
        assert signal.getsignal(signal.SIGINT) is handler
        assert list(tmp_path.iterdir())
        port = httpx.URL(emulator.url).port
        _, idle = await asyncio.open_connection("127.0.0.1", port)
        _, halfway = await asyncio.open_connection("127.0.0.1", port)
        halfway.write(b"POST /v1/sd2_manxue/videos HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        halfway.write(f"Authorization: Bearer {KEY}\r\n\r\n{{".encode())
        await halfway.drain()
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", port)
    idle.close()
    halfway.close()


async def test_a_taken_port_is_said_at_once() -> None:
    async with EmulatorServer(EmulatorConfig()) as emulator:
        with pytest.raises(OSError, match="in use"):
            async with EmulatorServer(EmulatorConfig(), port=httpx.URL(emulator.url).port or 0):
                pass
