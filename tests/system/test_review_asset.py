"""Each content is reviewed once for all who need it, and the verdict is remembered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError

from tests.support.media_server import MediaServer, image, video
from tests.support.patience import PATIENCE
from tests.support.processes import WorkerProcess, worker_process
from tests.support.provider import Provider, uploaded
from tests.support.runs import FAST, Handle, Runs, failure_of, outcome, progress, request, until_phase

COLOURS = ("red", "green", "blue")


def images(provider: Provider, word: str) -> list[str]:
    """Three images of a test's own."""
    return [provider.image(f"{word}-{n}.png", f"#{hash((word, n)) & 0xFFFFFF:06x}") for n in range(3)]


def uploads_of(provider: Provider, word: str) -> list[str]:
    """Every URL with the word that was ever uploaded, as often as it was."""
    return [url for upload in provider.uploads for urls in upload.values() for url in urls if word in url]


async def test_fifty_runs_at_once_with_the_same_three_images_make_three_uploads(
    runs: Runs, provider: Provider, word: str
) -> None:
    urls = images(provider, word)
    given = {"request": request(word, referenceImages=urls), "poll": {"first": 600}}
    handles = [await runs.start(given) for _ in range(50)]
    await asyncio.gather(*(until_phase(handle, "queued") for handle in handles))
    assert sorted(uploads_of(provider, word)) == sorted(urls)
    assert len({str(body["referenceImages"]) for body in provider.creates_of(word)}) == 1
    await asyncio.gather(*(handle.cancel() for handle in handles))


async def test_the_next_run_gets_the_asset_without_a_call_to_the_provider(
    runs: Runs, provider: Provider, word: str
) -> None:
    url = images(provider, word)[0]
    first = await runs.result(request=request(word, first_image=url), poll=FAST)
    asked = len(provider.look_ups)
    second = await runs.result(request=request(word, first_image=url), poll=FAST)
    assert second["assets"] == first["assets"]
    assert uploads_of(provider, word) == [url]
    assert [ids for ids in provider.look_ups[asked:] if word in str(ids)] == []


async def test_the_same_content_under_two_addresses_is_one_asset(runs: Runs, provider: Provider, word: str) -> None:
    one, other = images(provider, word)[0], provider.image(f"{word}-copy.png", f"#{hash((word, 0)) & 0xFFFFFF:06x}")
    result = await runs.result(request=request(word, referenceImages=[one, other]), poll=FAST)
    assert len(uploads_of(provider, word)) == 1
    assert result["assets"][one] == result["assets"][other]


async def test_a_refusal_is_remembered_and_explained_to_each_caller(
    runs: Runs, provider: Provider, word: str, states: dict[str, str]
) -> None:
    url = images(provider, word)[0]
    states[word] = "Failed"
    for _ in range(2):
        failure = await runs.failure(request=request(word, first_image=url), poll=FAST)
        assert failure.type == "AssetRefused"
        assert failure.details[0]["assets"] == {url: "refused by the review"}
    assert uploads_of(provider, word) == [url]


async def test_an_address_that_is_refused_at_upload_is_no_verdict_on_what_lies_there(
    runs: Runs, provider: Provider, word: str
) -> None:
    colour = f"#{hash((word, 0)) & 0xFFFFFF:06x}"
    private, public = (provider.image(f"{word}-{name}.png", colour) for name in ("private", "public"))
    said = "the URL cannot be fetched"
    provider.on_upload = lambda urls: uploaded(urls, {url: said for url in urls if "private" in url})
    try:
        for _ in range(2):
            failure = await runs.failure(request=request(word, first_image=private), poll=FAST)
            assert failure.details[0]["assets"] == {private: said}
        result = await runs.result(request=request(word, first_image=public), poll=FAST)
    finally:
        provider.on_upload = None
    assert result["assets"].keys() == {public}
    assert uploads_of(provider, word) == [private, public]


async def test_a_url_that_was_refused_at_upload_is_submitted_again_when_it_is_signed_anew(
    runs: Runs, provider: Provider, word: str
) -> None:
    url = images(provider, word)[0]
    expired, fresh = f"{url}?until=yesterday", f"{url}?until=tomorrow"
    provider.on_upload = lambda urls: uploaded(urls, {url: "403" for url in urls if url == expired})
    try:
        for _ in range(2):
            assert (await runs.failure(request=request(word, first_image=expired), poll=FAST)).type == "AssetRefused"
        result = await runs.result(request=request(word, first_image=fresh), poll=FAST)
    finally:
        provider.on_upload = None
    assert len(result["assets"]) == 1
    assert uploads_of(provider, word) == [expired, fresh]


@pytest.mark.parametrize("version", [{}, {"ETag": '"{}"'}], ids=["unsaid", "etag"])
async def test_another_video_at_the_same_url_is_another_asset(
    runs: Runs, provider: Provider, word: str, files: MediaServer, version: dict[str, str]
) -> None:
    model, name = "sd2_manxue_video_720p", f"{word}.mp4"
    for seconds in (4, 5, 5):
        headers = {key: value.format(seconds) for key, value in version.items()}
        url = files.serve(name, video(seconds=seconds), length=False, headers=headers)
        given = {**request(word, referenceVideos=[url]), "model": model}
        await runs.result(request=given, asset_review="all", poll=FAST, preview=False)
    assert uploads_of(provider, word) == [url, url]


async def under_review(runs: Runs, provider: Provider, word: str, url: str) -> tuple[Handle, str]:
    """A run whose image has been submitted for review, and the workflow id of the review."""
    handle = await runs.start(request=request(word, first_image=url), poll=FAST)
    async with asyncio.timeout(PATIENCE):
        while not ((found := await reviews(runs.client, url)) and uploads_of(provider, word)):
            await asyncio.sleep(0.1)
    return handle, found[0]


async def test_a_review_that_was_deleted_is_asked_for_again(
    runs: Runs, provider: Provider, word: str, states: dict[str, str]
) -> None:
    url = images(provider, word)[0]
    states[word] = "Processing"
    handle, review_id = await under_review(runs, provider, word, url)
    review = WorkflowExecution(workflow_id=review_id)
    service = runs.client.workflow_service
    await service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=runs.client.namespace, workflow_execution=review)
    )
    async with asyncio.timeout(PATIENCE):
        while await reviews(runs.client, url):
            await asyncio.sleep(0.1)
    states[word] = "Active"
    await handle.signal("asset_reviewed")  # instead of ten minutes
    assert (await outcome(handle))["assets"].keys() == {url}


async def test_a_worker_killed_during_the_review_changes_nothing(
    client: Client, folder: Path, worker_env: dict[str, str], provider: Provider, word: str, states: dict[str, str]
) -> None:
    url = images(provider, word)[0]
    states[word] = "Processing"
    env = {**worker_env, "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env):
        handle = await Runs(client, word).start(request=request(word, first_image=url), poll=FAST)
        await until_phase(handle, "reviewing_assets")
        async with asyncio.timeout(PATIENCE):
            while not [ids for ids in provider.look_ups if word in str(ids)]:
                await asyncio.sleep(0.1)
    states[word] = "Active"
    with worker_process(folder, env):
        assert (await outcome(handle))["assets"].keys() == {url}
    assert uploads_of(provider, word) == [url]


async def test_what_goes_wrong_with_the_account_is_not_remembered(runs: Runs, provider: Provider, word: str) -> None:
    url = images(provider, word)[0]
    refused = {"code": 402, "msg": "insufficient balance", "data": None}
    provider.on_upload = lambda urls: refused if word in urls[0] else uploaded(urls)
    failure = await runs.failure(request=request(word, first_image=url), poll=FAST)
    provider.on_upload = None
    assert failure.type == "InsufficientBalance"
    assert (await runs.result(request=request(word, first_image=url), poll=FAST))["assets"].keys() == {url}


async def test_a_review_can_be_forgotten(runs: Runs, provider: Provider, word: str) -> None:
    url = images(provider, word)[0]
    await runs.result(request=request(word, first_image=url), poll=FAST)
    async with asyncio.timeout(PATIENCE):
        while not (found := await reviews(runs.client, url)):
            await asyncio.sleep(0.1)
    await runs.client.get_workflow_handle(found[0]).execute_update("forget")
    await runs.result(request=request(word, first_image=url), poll=FAST)
    assert uploads_of(provider, word) == [url, url]


async def reviews(client: Client, url: str) -> list[str]:
    """Ids of the reviews of that URL."""
    found = []
    async for run in client.list_workflows("WorkflowType = 'ReviewAsset'"):
        memo = await run.memo()
        if memo.get("reference") == url:
            found.append(run.id)
    return found


async def test_the_deadline_of_a_run_ends_its_wait_for_a_review(
    runs: Runs, provider: Provider, word: str, states: dict[str, str], worker: WorkerProcess
) -> None:
    states[word] = "Processing"
    handle = await runs.start(request=request(word, first_image=images(provider, word)[0]), poll=FAST, deadline=3)
    failure: Any = await failure_of(handle)
    assert failure.type == "DeadlineExceeded"
    assert "nothing was bought" in failure.message
    assert (await progress(handle))["phase"] == "failed"


BROKEN: list[list[Any]] = [[], [None], ["x"], [{"review_id": "x"}, 1], [{"state": "active", "asset_id": "evil"}]]


async def test_a_broken_or_forged_signal_changes_nothing(
    runs: Runs, provider: Provider, word: str, states: dict[str, str]
) -> None:
    url = images(provider, word)[0]
    states[word] = "Processing"
    handle = await runs.start(request=request(word, first_image=url), poll=FAST)
    await until_phase(handle, "reviewing_assets")
    for args in BROKEN:
        await handle.signal("asset_reviewed", args=args)
    await asyncio.sleep(1)
    assert (await progress(handle))["phase"] == "reviewing_assets"
    states[word] = "Active"
    assert (await outcome(handle))["assets"] == {url: f"asset-{word}-0.png"}


async def test_a_broken_update_of_a_review_is_refused_and_disturbs_nobody(
    runs: Runs, provider: Provider, word: str
) -> None:
    url = images(provider, word)[0]
    await runs.result(request=request(word, first_image=url), poll=FAST)
    async with asyncio.timeout(PATIENCE):
        while not (found := await reviews(runs.client, url)):
            await asyncio.sleep(0.1)
    for args in BROKEN[:4]:
        with pytest.raises(WorkflowUpdateFailedError):
            await runs.client.get_workflow_handle(found[0]).execute_update("review", args=args)
    assert (await runs.result(request=request(word, first_image=url), poll=FAST))["assets"].keys() == {url}


async def test_a_call_that_is_refused_as_a_whole_is_no_verdict_on_the_content(
    runs: Runs, provider: Provider, word: str
) -> None:
    bad, good = images(provider, word)[:2]
    busy = {"code": 500, "msg": "system busy", "data": None}
    provider.on_upload = lambda urls: busy if bad in urls else uploaded(urls)
    failure = await runs.failure(request=request(word, referenceImages=[bad, good]), poll=FAST)
    provider.on_upload = None
    assert failure.type == "AssetRefused"
    assert failure.details[0]["assets"].keys() == {bad}
    assert (await runs.result(request=request(word, referenceImages=[bad, good]), poll=FAST))["assets"].keys() == {
        bad,
        good,
    }


BAD_ARGUMENTS: dict[str, list[Any]] = {
    "none": [],
    "null": [None],
    "three": [{"kind": "image", "reference": "https://h/a.png"}, None, 3],
    "kind": [{"kind": "film", "reference": "https://h/a.png"}],
    "reference": [{"kind": "image", "reference": "not a URL"}],
    "asset": [{"kind": "image", "reference": "asset://a"}],
    "keep": [{"kind": "image", "reference": "https://h/a.png", "keep": -5}],
}


@pytest.mark.parametrize("said", BAD_ARGUMENTS)
async def test_a_review_that_is_started_wrongly_by_hand_fails_at_once(runs: Runs, word: str, said: str) -> None:
    handle = await runs.client.start_workflow(
        "ReviewAsset", args=BAD_ARGUMENTS[said], id=f"review-{word}", task_queue=runs.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 20)


async def test_a_cancelled_review_is_begun_anew_for_those_who_wait(
    runs: Runs, provider: Provider, word: str, states: dict[str, str]
) -> None:
    url = images(provider, word)[0]
    states[word] = "Processing"
    handle, review_id = await under_review(runs, provider, word, url)
    await runs.client.get_workflow_handle(review_id).cancel()
    async with asyncio.timeout(PATIENCE):
        while len(uploads_of(provider, word)) < 2:
            await asyncio.sleep(0.1)
    states[word] = "Active"
    assert (await outcome(handle))["assets"].keys() == {url}


async def test_a_server_of_media_that_fails_now_and_then_makes_no_second_upload(
    runs: Runs, provider: Provider, word: str, files: MediaServer
) -> None:
    url = files.serve(f"{word}.png", image("png"), busy=3)
    given = {"request": request(word, first_image=url), "poll": FAST}
    handles = [await runs.start(given) for _ in range(6)]
    results = [await outcome(handle) for handle in handles]
    assert len({str(result["assets"]) for result in results}) == 1
    assert uploads_of(provider, word) == [url]
