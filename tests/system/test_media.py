"""Media are looked at before anything is paid for: by the real worker, over HTTP, from servers and a private bucket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.support.media_server import MediaServer, audio, image, video
from tests.support.object_store import BUCKET, SECRET, ObjectStore
from tests.support.processes import WorkerProcess, worker_process
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, request

NOWHERE = "http://media.invalid/a.png"


@pytest.fixture(scope="module")
def worker(folder: Path, worker_env: dict[str, str], store: ObjectStore) -> Iterator[WorkerProcess]:
    with worker_process(folder, {**worker_env, **store.env, "MANXUE_TASK_QUEUE": "media"}) as worker:
        yield worker


@pytest.fixture
def runs(client: Client, worker: WorkerProcess) -> Runs:
    return Runs(client, "media")


def given(word: str, **media: Any) -> dict[str, Any]:
    """An input whose media are sent as they are."""
    return {"request": request(word, **media), "poll": FAST, "asset_review": "none"}


async def rejection(runs: Runs, provider: Provider, given: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The problems and the message of a run that must be rejected, and must not have bought anything."""
    failure = await runs.failure(given)
    assert failure.type == "MediaRejected"
    assert provider.creates_of(given["request"]["prompt"]) == []
    return failure.details[0]["problems"], failure.message


async def test_all_bad_media_are_named_as_the_caller_wrote_them_and_nothing_is_bought(
    runs: Runs, provider: Provider, files: MediaServer, word: str
) -> None:
    page = files.serve("login", b"<!doctype html>", headers={"Content-Type": "image/png"})
    frames = given(word, image=f"{files.url}/missing.png?sig=1", lastFrameImage=page)
    problems, message = await rejection(runs, provider, frames)
    assert [(p["field"], p["rule"]) for p in problems] == [("image", "unreadable"), ("lastFrameImage", "unreadable")]
    assert "image: cannot be fetched: its server answers 404" in message
    assert "lastFrameImage: is an HTML page, not an image; give a file that is jpeg, png" in message
    assert "sig=1" not in message


async def test_references_are_judged_together_and_advice_is_not_lost(
    runs: Runs, provider: Provider, files: MediaServer, word: str
) -> None:
    references = given(
        word,
        referenceImages=["asset://a", files.serve("small.png", image(width=200))],
        referenceVideos=[files.serve("8.mp4", video(seconds=8)), files.serve("9.mp4", video(seconds=9))],
        referenceAudios=[files.serve("a.ogg", audio("ogg", "libopus"))],
    )
    (problem,), message = await rejection(runs, provider, references)
    assert problem["field"] == "referenceVideos[1]"
    assert problem["hint"] == "lasts 9.0 s; together 17.0 s of at most 15 s; shorten by 2.0 s"
    assert "besides, not the reason: " in message
    assert "referenceImages[1]: is 200x480 pixels" in message
    assert "referenceAudios[0]: is ogg" in message


async def test_recommendations_are_warnings_and_rules_when_media_are_to_be_strict(
    runs: Runs, provider: Provider, files: MediaServer, word: str
) -> None:
    first = files.serve("gif.gif", image("gif", frames=2))
    frames = given(word, first_image=first, last_image=NOWHERE)
    warnings = (await runs.result(frames))["warnings"]
    assert [(w["field"], w["rule"]) for w in warnings] == [
        ("first_image", "recommended"),
        ("last_image", "unreachable"),
    ]
    assert "could not be checked from this worker" in warnings[1]["hint"]
    (body,) = provider.creates_of(word)
    assert (body["first_image"], body["last_image"]) == (first, NOWHERE)
    problems, _ = await rejection(runs, provider, {**given(f"{word[::-1]}", **frames_of(frames)), "strict_media": True})
    assert problems == warnings


def frames_of(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given["request"][name] for name in ("first_image", "last_image")}


async def test_good_media_leave_no_warning_and_cost_few_bytes(
    runs: Runs, provider: Provider, files: MediaServer, word: str
) -> None:
    model = {"model": "sd2_manxue_video_720p"}
    film, picture = video(padding=100_000), image("bmp", 2000, 1000)
    media = given(
        word,
        **model,
        referenceImages=[files.serve("large.bmp", picture)] * 2,
        referenceVideos=[files.serve("large.mp4", film)],
        referenceAudios=[files.serve("a.mp3", audio())],
    )
    assert (await runs.result(media))["warnings"] == []
    assert files.sent["large.bmp"] <= 256 * 1024 < len(picture)
    assert files.sent["large.mp4"] <= 2 * 1024 * 1024 < len(film)
    assert len(files.requests["large.bmp"]) == 1


async def test_an_object_in_a_private_bucket_is_looked_at_and_its_signed_url_is_seen_nowhere(
    runs: Runs, provider: Provider, store: ObjectStore, worker: WorkerProcess, word: str
) -> None:
    objects = store.at(word)
    objects.put("a b.png", image())
    objects.put("page.png", b"<html>")
    good, page, missing = (f"s3://{BUCKET}/{word}/{name}.png" for name in ("a%20b", "page", "missing"))
    assert (await runs.result(given(word, first_image=good)))["warnings"] == []
    bad = given(f"{word[::-1]}", referenceImages=[good, page, missing])
    problems, message = await rejection(runs, provider, bad)
    assert [(p["field"], p["given"]) for p in problems] == [
        ("referenceImages[1]", page),
        ("referenceImages[2]", missing),
    ]
    assert "HTML page" in message
    assert "404" in message
    for told in (message, worker.log.read_text()):
        assert "Signature" not in told
        assert SECRET not in told


async def test_an_address_that_is_not_public_is_refused(runs: Runs, provider: Provider, word: str) -> None:
    inside = given(word, first_image="http://169.254.169.254/latest/meta-data/a.png")
    (problem,), _ = await rejection(runs, provider, inside)
    assert (problem["field"], problem["rule"]) == ("first_image", "url")
    assert "not public" in problem["hint"]


async def test_a_request_does_not_reach_the_providers_own_network(
    folder: Path, worker_env: dict[str, str], client: Client, provider: Provider, word: str
) -> None:
    """Results may come from there, whatever the settings allow; media of a request may not."""
    env = {**worker_env, "MANXUE_TASK_QUEUE": "strict", "MANXUE_ALLOWED_NETWORKS": ""}
    inside = given(word, first_image=f"{provider.url}/a.png")
    with worker_process(folder, env):
        runs = Runs(client, "strict")
        (problem,), _ = await rejection(runs, provider, inside)
        result = await runs.result(given(f"{word}-text"))
    assert "not public" in problem["hint"]
    assert result["video"]["bytes"] > 0
