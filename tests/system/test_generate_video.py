"""The story of a render on the real server, with a real worker process and real HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY, worker_process
from tests.support.provider import SIGNATURE, Provider, Task, size, uploaded
from tests.support.runs import FAST, Runs, failure_of, outcome, path_of, progress, request, until, until_phase
from tests.support.video import mp4

MODELS = ("720p", "1080p", "2k", "4k", "fast_720p", "fast_1080p")
URL = "https://media.example.com/"
MODES: dict[str, dict[str, Any]] = {
    "text": {},
    "first_frame": {"first_image": URL + "a.png"},
    "first_last_frame": {"image": URL + "a.png", "lastFrameImage": URL + "b.png"},
    "image_reference": {"referenceImages": [URL + f"{n}.png" for n in range(9)]},
    "video_reference": {"referenceVideos": [URL + "a.mp4"]},
    "audio_reference": {"referenceAudios": [URL + "a.mp3"]},
    "multimodal_reference": {"referenceImages": [URL + "a.png", "asset://known"], "referenceAudios": [URL + "a.mp3"]},
}


async def test_every_mode_ends_in_the_very_file_and_one_create_call(runs: Runs, provider: Provider, word: str) -> None:
    started = {
        mode: await runs.start(request=request(f"{word} {mode}", **fields), poll=FAST, name=f"{word}-{mode}")
        for mode, fields in MODES.items()
    }
    for mode, handle in started.items():
        result = await outcome(handle)
        (body,) = provider.creates_of(f"{word} {mode}")
        assert result["mode"] == mode
        assert path_of(result).name == f"{word}-{mode}.mp4"
        assert path_of(result).read_bytes() == mp4(*size(body), body["duration"])
        assert not {"image", "lastFrameImage"} & body.keys()


async def test_images_are_sent_as_reviewed_assets_and_uploaded_once_each(
    runs: Runs, provider: Provider, word: str
) -> None:
    first, last = f"{URL}{word}.png", f"{URL}{word}.png"
    result = await runs.result(request=request(word, first_image=first, last_image=last), poll=FAST)
    assert result["assets"] == {first: f"asset-{word}.png"}
    (body,) = provider.creates_of(word)
    assert body["first_image"] == body["last_image"] == f"asset://asset-{word}.png"
    assert [upload for upload in provider.uploads if first in upload.get("imageUrls", [])] == [{"imageUrls": [first]}]


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_passes_its_own_check_of_size(runs: Runs, provider: Provider, word: str, model: str) -> None:
    result = await runs.result(request={"model": f"sd2_manxue_{model}", "prompt": word, "ratio": "9:16"}, poll=FAST)
    assert result["video"]["height"] > result["video"]["width"]
    assert result["video"]["duration"] == 5
    assert len(provider.creates_of(word)) == 1


@pytest.mark.parametrize("code", ["0", 0])
async def test_the_wrapped_create_answer_is_understood(runs: Runs, provider: Provider, word: str, code: Any) -> None:
    provider.on_create[word] = lambda body: {"code": code, "msg": None, "data": {"projectId": list(provider.tasks)[-1]}}
    result = await runs.result(request=request(word), poll=FAST)
    assert result["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1


async def test_progress_answers_in_every_phase_and_the_timeline_keeps_them(
    runs: Runs, provider: Provider, word: str
) -> None:
    stage = {"status": "queued"}
    reviewing = f"asset-{word}.png"
    states = {reviewing: "Processing"}
    provider.asset_states = lambda asset_id: states.get(asset_id, "Active")
    provider.on_query[word] = lambda task: provider.status(task, stage["status"], progress="40%")
    handle = await runs.start(request=request(word, first_image=f"{URL}{word}.png"), poll=FAST)
    await until_phase(handle, "reviewing_assets")
    states[reviewing] = "Active"
    queued = await until(handle, lambda now: now["provider_status"] == "queued")
    assert queued["phase"] == "queued"
    assert queued["task_id"] in provider.tasks
    stage["status"] = "PROCESSING"
    rendering = await until_phase(handle, "rendering")
    assert rendering["percent"] == 40
    stage["status"] = "completed"
    result = await outcome(handle)
    assert (await progress(handle))["phase"] == "completed"
    phases = ["validating", "reviewing_assets", "submitting", "queued", "rendering", "downloading", "completed"]
    assert sorted(result["timeline"], key=result["timeline"].__getitem__) == phases


async def test_a_manifest_lies_beside_the_video_without_any_signature(runs: Runs, word: str) -> None:
    image = f"{URL}a.png?X-Signature=users-own-secret"
    result = await runs.result(request=request(word, first_image=image), poll=FAST, asset_review="none")
    text = Path(f"{path_of(result)}.json").read_text()
    manifest = json.loads(text)
    assert manifest["video"]["sha256"] == result["video"]["sha256"]
    assert manifest["request"]["prompt"] == word
    assert "users-own-secret" not in text
    assert SIGNATURE not in text


async def test_refused_assets_are_all_named_and_nothing_is_bought(runs: Runs, provider: Provider, word: str) -> None:
    bad_upload, bad_review, good = (f"{URL}{word}-{n}.png" for n in ("upload", "review", "good"))
    provider.on_upload = lambda urls: uploaded(urls, {u: "blurred" for u in urls if u == bad_upload}, code=0)
    provider.asset_states = lambda asset_id: "Failed" if asset_id == f"asset-{word}-review.png" else "Active"
    failure = await runs.failure(request=request(word, referenceImages=[bad_upload, bad_review, good]), poll=FAST)
    provider.on_upload = None
    assert failure.type == "AssetRefused"
    assert failure.details[0]["assets"] == {bad_upload: "blurred", bad_review: "refused by the review"}
    assert provider.creates_of(word) == []


async def test_an_asset_that_the_answer_leaves_out_is_submitted_again_and_a_failed_look_up_asked_again(
    runs: Runs, provider: Provider, word: str
) -> None:
    here, left_out = f"{URL}{word}-here.png", f"{URL}{word}-left-out.png"
    sent: list[str] = []

    def upload(urls: list[str]) -> dict[str, Any]:
        first = left_out not in sent
        sent.extend(urls)
        return uploaded([url for url in urls if url != left_out or not first])

    looked_up: list[str] = []

    def state(asset_id: str) -> str | None:
        looked_up.append(asset_id)
        return "Active" if looked_up.count(asset_id) > 1 else None

    provider.on_upload, provider.asset_states = upload, state
    result = await runs.result(request=request(word, referenceImages=[here, left_out]), poll=FAST)
    provider.on_upload, provider.asset_states = None, lambda asset_id: "Active"
    assert sorted(sent) == [here, left_out, left_out]
    assert set(result["assets"]) == {here, left_out}


async def test_a_failed_render_says_why_and_names_the_task(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "failed", error={"message": "content policy"})
    failure = await runs.failure(request=request(word), poll=FAST)
    assert failure.type == "RenderFailed"
    assert "content policy" in failure.message
    assert failure.details[0]["task_id"] in provider.tasks


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"code": 1001, "msg": "bad parameter"}, "SubmissionRefused"),
        ({"id": None, "error": "prompt refused"}, "SubmissionRefused"),
        ({"id": "x", "status": "failed", "error": "prompt refused"}, "SubmissionRefused"),
        ({"code": "1002", "msg": "insufficient balance"}, "InsufficientBalance"),
    ],
)
async def test_a_refusal_under_status_200_is_final(
    runs: Runs, provider: Provider, word: str, answer: dict[str, Any], kind: str
) -> None:
    provider.on_create[word] = lambda body: answer
    failure = await runs.failure(request=request(word), poll=FAST)
    assert failure.type == kind
    assert len(provider.creates_of(word)) == 1


async def test_poll_now_asks_at_once_and_answers_with_what_was_said(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll={"first": 600, "interval": 600, "max_interval": 600})
    waiting = await until(handle, lambda now: now["next_poll_at"] is not None)
    assert waiting["polls"] == 0
    answer = await asyncio.wait_for(handle.execute_update("poll_now"), 10)
    assert (answer["polls"], answer["phase"]) == (1, "rendering")
    del provider.on_query[word]
    provider.on_query[word] = lambda task: provider.status(task, "completed")
    await handle.execute_update("poll_now")
    assert (await outcome(handle))["polls"] == 2


async def test_a_task_that_exists_already_is_adopted_without_a_create_call(
    runs: Runs, provider: Provider, word: str
) -> None:
    body = request(word, ratio="16:9")
    provider.tasks[f"task-{word}"] = Task(f"task-{word}", body, queries=5)
    result = await runs.result(request=body, task_id=f"task-{word}", poll={"first": 600})
    assert result["task_id"] == f"task-{word}"
    assert path_of(result).read_bytes() == mp4(*size(body), 4)
    assert provider.creates_of(word) == []


async def test_a_render_that_outlives_the_deadline_is_named_so_that_it_can_be_adopted(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    failure = await runs.failure(request=request(word), poll=FAST, deadline=3)
    assert failure.type == "DeadlineExceeded"
    task_id = failure.details[0]["task_id"]
    assert task_id in failure.message
    del provider.on_query[word]
    provider.on_query[word] = lambda task: provider.status(task, "completed")
    assert (await runs.result(request=request(word), task_id=task_id))["task_id"] == task_id
    assert len(provider.creates_of(word)) == 1


async def test_a_video_that_is_not_what_was_asked_for_is_never_delivered(
    runs: Runs, provider: Provider, word: str, folder: Path
) -> None:
    provider.on_create[word] = lambda body: provider.files.update({list(provider.tasks)[-1]: mp4(320, 180, 4)})
    failure = await runs.failure(request=request(word), poll=FAST, name=word)
    assert failure.type == "VideoInvalid"
    assert "320x180" in failure.message
    assert not (folder / "videos" / f"{word}.mp4").exists()


async def test_a_download_that_breaks_again_and_again_goes_on_soon_while_bytes_come(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.breaks[word] = 400_000
    result = await runs.result(request=request(word), poll=FAST)
    ranges = provider.ranges[result["task_id"]]
    assert result["video"]["bytes"] > 10 * provider.breaks[word]
    assert len(ranges) == -(-result["video"]["bytes"] // provider.breaks[word])
    assert len(set(ranges)) == len(ranges)


async def test_two_runs_with_one_name_keep_both_files(runs: Runs, provider: Provider, word: str) -> None:
    one = await runs.result(request=request(word, duration=4), poll=FAST, name=word)
    other = await runs.result(request=request(word, duration=6), poll=FAST, name=word)
    assert path_of(one).name == f"{word}.mp4"
    assert path_of(other).name == f"{word}-{other['task_id']}.mp4"
    assert [warning["field"] for warning in other["warnings"]] == ["name"]
    assert path_of(one).read_bytes() != path_of(other).read_bytes()


async def test_lists_by_search_attribute_find_a_run(runs: Runs, provider: Provider, word: str) -> None:
    result = await runs.result(request=request(word), poll=FAST, tenant=word)
    query = f"ManxueTenant = '{word}' AND ManxuePhase = 'completed' AND ManxueTaskId = '{result['task_id']}'"
    async with asyncio.timeout(PATIENCE):
        while not [run async for run in runs.client.list_workflows(query)]:
            await asyncio.sleep(0.1)


async def test_an_api_key_that_is_refused_is_named_as_such(
    folder: Path, worker_env: dict[str, str], runs: Runs, word: str, provider: Provider
) -> None:
    env = {**worker_env, "MANXUE_API_KEY": "sk-wrong", "MANXUE_TASK_QUEUE": word}
    with worker_process(folder, env) as other:
        failure = await Runs(runs.client, word).failure(request=request(word), poll=FAST)
        assert failure.type == "AuthenticationFailed"
        assert "sk-wrong" not in other.log.read_text()
    assert provider.creates_of(word) == []


async def test_what_the_provider_says_is_repeated_without_its_secrets(
    runs: Runs, provider: Provider, word: str
) -> None:
    said = f"could not store https://bucket.example/x.mp4?{SIGNATURE} for {API_KEY}, also x.mp4?{SIGNATURE}."
    said += "x" * 3_000_000
    provider.on_query[word] = lambda task: provider.status(task, "failed", error={"message": said})
    failure = await runs.failure(request=request(word), poll=FAST)
    assert failure.type == "RenderFailed"
    assert "could not store https://bucket.example/x.mp4?… for …" in failure.message
    assert len(failure.message) < 1000


@pytest.mark.parametrize("task_id", ["../evil", "proj/2025/77", "x" * 180, "a?b#c"])
async def test_a_task_id_that_is_no_file_name_leads_nowhere_else(
    runs: Runs, provider: Provider, word: str, tmp_path: Path, task_id: str
) -> None:
    task_id = f"{task_id}{word}"

    def accept(body: dict[str, Any]) -> dict[str, Any]:
        provider.tasks[task_id] = Task(task_id, body)
        return {"id": task_id}

    provider.on_create[word] = accept
    output = tmp_path / "out"
    result = await runs.result(request=request(word), poll=FAST, output=output.as_uri())
    assert result["task_id"] == task_id
    assert path_of(result).parent == output
    name = path_of(result).stem
    endings = (".contact-sheet.jpg", ".mp4", ".mp4.json", ".poster.jpg")
    assert sorted(path.name for path in output.iterdir()) == [f"{name}{ending}" for ending in endings]


async def test_a_wait_that_the_provider_asks_for_ends_at_the_deadline(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: JSONResponse({"msg": "slow down"}, 429, {"Retry-After": "600"})
    handle = await runs.start(request=request(word), poll=FAST, deadline=4)
    assert (await failure_of(handle, 20)).type == "DeadlineExceeded"


async def test_a_duration_that_the_provider_gets_wrong_does_not_spoil_a_good_file(
    runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "completed", actualDuration=-1)
    assert (await runs.result(request=request(word), poll=FAST))["video"]["duration"] == 4
