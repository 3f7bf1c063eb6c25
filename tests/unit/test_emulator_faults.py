"""The emulator goes wrong exactly as it is told, and its ledger says what it really did."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from emulator.config import EmulatorConfig
from emulator.faults import ACCEPT, FAULTS, LOST_ANSWERS, NOT_TAKEN, REFUSALS, Faults
from emulator.server import EmulatorServer
from manxue.vocabulary import ASSET_STATUS_PATH, CREATE_PATH, RESULT_PATH
from tests.support.caller import BASE, KEY, Caller

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller() -> AsyncIterator[Caller]:
    async with EmulatorServer(EmulatorConfig(api_key=KEY, speed=1000)) as emulator:
        caller = Caller(emulator)
        caller.http.timeout = httpx.Timeout(1)
        yield caller
        await caller.close()


async def seen(call: Any) -> str:
    """What a client sees of an answer."""
    try:
        answer: httpx.Response = await call
    except httpx.ReadTimeout:
        return "hang"
    except httpx.RemoteProtocolError:
        return "cut off"
    try:
        body = answer.json()
    except ValueError:
        return f"{answer.status_code} unreadable"
    return f"{answer.status_code} {'id' in body and bool(body['id'])}"


SEEN = {
    "429": "429 False",
    "429-retry-after": "429 False",
    "500": "500 False",
    "502-html": "502 unreadable",
    "503": "503 False",
    "503-retry-after": "503 False",
    "200-html": "200 unreadable",
    "garbage": "200 unreadable",
    "drop": "cut off",
    "hang": "hang",
    "401": "401 False",
    "402": "402 False",
    "403": "403 False",
    "404": "404 False",
    "code-1001": "200 False",
    "status-failed": "200 False",
    "id-null": "200 False",
}


async def test_every_way_to_spoil_a_call_is_in_the_table() -> None:
    assert SEEN.keys() == {*NOT_TAKEN, *REFUSALS}


@pytest.mark.parametrize("fault", [*NOT_TAKEN, *REFUSALS])
async def test_a_create_call_that_is_not_taken_makes_no_task(caller: Caller, fault: str) -> None:
    prompt = f"[create: {fault}] [fail]"
    assert await seen(caller.http.post(CREATE_PATH, json={**BASE, "prompt": prompt})) == SEEN[fault]
    assert (caller.ledger.creates[-1].accepted, caller.ledger.creates[-1].refusal) == (False, fault)
    assert await seen(caller.http.post(CREATE_PATH, json={**BASE, "prompt": prompt})) == "200 True"


@pytest.mark.parametrize("fault", LOST_ANSWERS)
async def test_a_create_call_whose_answer_is_lost_has_made_a_task(caller: Caller, fault: str) -> None:
    prompt = f"[create: {ACCEPT}{fault}] [fail]"
    assert await seen(caller.http.post(CREATE_PATH, json={**BASE, "prompt": prompt})) == SEEN[fault]
    create = caller.ledger.creates[-1]
    assert create.accepted
    assert (await caller.query(str(create.task_id)))["id"] == create.task_id


async def test_queries_go_wrong_one_by_one_in_the_order_of_the_plan(caller: Caller) -> None:
    task_id = await caller.create(prompt="[query: 429, drop*2, unknown-status, 404] [fail]")
    path = RESULT_PATH.format(id=task_id)
    answers = [await seen(caller.http.get(path)) for _ in range(3)]
    assert answers == ["429 False", "cut off", "cut off"]
    assert (await caller.query(task_id))["status"] == "pondering"
    assert await seen(caller.http.get(path)) == "404 False"
    assert (await caller.query(task_id))["status"] in ("queued", "failed")


async def finished(caller: Caller, plan: str) -> tuple[str, str]:
    """A finished task with that plan: its id, and the URL of its file."""
    task_id = await caller.create(prompt=f"a kite {plan}")
    return task_id, str((await caller.ended(task_id))["video_url"])


async def test_a_completed_task_can_lack_its_url_for_a_while(caller: Caller) -> None:
    task_id, url = await finished(caller, "[url: missing]")
    assert url == "None"
    assert (await caller.query(task_id))["video_url"]


@pytest.mark.parametrize("fault", ["cut", "expire", "wrong-length"])
async def test_a_file_can_stop_in_the_middle(caller: Caller, fault: str) -> None:
    task_id, url = await finished(caller, f"[file: {fault}]")
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.open.get(url)
    assert caller.ledger.files[-1].bytes > 1000
    again = await caller.open.get(url)
    assert again.status_code == (403 if fault == "expire" else 200)
    fresh = await caller.open.get((await caller.query(task_id))["video_url"])
    assert len(fresh.content) == int(fresh.headers["content-length"])


@pytest.mark.parametrize("fault", ["truncate", "empty", "html", "corrupt"])
async def test_a_file_can_be_another_than_it_should_be(caller: Caller, fault: str) -> None:
    _, url = await finished(caller, f"[file: {fault}]")
    wrong, right = (await caller.open.get(url)).content, (await caller.open.get(url)).content
    assert wrong != right
    assert b"ftyp" in right[:16]


async def test_content_can_change_under_the_same_url(caller: Caller) -> None:
    _, url = await finished(caller, "[file: no-range, changed]")
    before = await caller.open.get(url, headers={"Range": "bytes=10-"})
    after = await caller.open.get(url, headers={"Range": "bytes=10-", "If-Range": before.headers["etag"]})
    assert (before.status_code, after.status_code) == (200, 200)
    assert before.headers["etag"] != after.headers["etag"]
    assert len(after.content) == len(before.content) + 8


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500])
async def test_a_file_can_be_refused(caller: Caller, status: int) -> None:
    _, url = await finished(caller, f"[file: {status}]")
    assert (await caller.open.get(url)).status_code == status
    assert (await caller.open.get(url)).status_code == 200


async def test_a_file_can_drip(caller: Caller) -> None:
    _, url = await finished(caller, "[file: drip]")
    async with caller.open.stream("GET", url) as answer:
        assert [len(block) async for block, _ in zip_async(answer.aiter_raw(), range(2))] == [16, 16]


async def zip_async(blocks: AsyncIterator[bytes], numbers: range) -> AsyncIterator[tuple[bytes, int]]:
    for number in numbers:
        yield await anext(blocks), number


async def test_assets_go_wrong_by_the_path_of_their_url(caller: Caller) -> None:
    urls = {fault: caller.sample.replace("/portrait", f"/fault-{fault}/portrait") for fault in FAULTS["asset"]}
    first = await caller.upload(imageUrls=list(urls.values()))
    assert [item["originalUrl"] for item in first["failedItems"]] == [urls["refused"]]
    ids = {item["originalUrl"]: item["assetId"] for item in first["items"]}
    assert ids.keys() == {urls["failed-lookup"], urls["slow"], urls["expired"]}
    assert await caller.reviewed(ids[urls["expired"]]) == "EXPIRED"
    data = (await caller.post(ASSET_STATUS_PATH, {"assetIds": [ids[urls["failed-lookup"]]]}))["data"]
    assert len(data["failedItems"]) == 1
    assert await caller.reviewed(ids[urls["failed-lookup"]]) == "Active"
    second = await caller.upload(imageUrls=[urls["omitted"], urls["refused"], urls["expired"]])
    assert len(second["items"]) == 3


async def test_chaos_is_the_same_for_the_same_seed_and_ends() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(seed)
        return [faults.next("create", name, name) for name in (f"prompt {number % 50}" for number in range(500))]

    one, same, other = drawn(1), drawn(1), drawn(2)
    assert one == same != other
    assert any(one[:200])
    assert not any(one[200:])
