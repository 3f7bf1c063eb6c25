"""A cancelled run ends soon, as canceled, buys nothing any more, and says what was bought."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.support.patience import PATIENCE
from tests.support.processes import free_port
from tests.support.provider import Provider, held_create, reached, uploaded
from tests.support.runs import FAST, Runs, cancel, outcome, request, until, until_phase

IMAGE = "https://media.example.com/"


async def test_while_the_provider_renders(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll={"first": 1, "interval": 600, "max_interval": 600})
    rendering = await until_phase(handle, "rendering")
    assert f"Task {rendering['task_id']} goes on at the provider and is billed" in await cancel(handle)
    memo = await (await handle.describe()).memo()
    assert rendering["task_id"] in memo["outcome"]


async def test_between_look_ups_of_a_review(runs: Runs, provider: Provider, word: str) -> None:
    provider.asset_states = lambda asset_id: "Processing" if word in asset_id else "Active"
    handle = await runs.start(request=request(word, first_image=f"{IMAGE}{word}.png"), poll=FAST)
    await until_phase(handle, "reviewing_assets")
    assert "Nothing was bought" in await cancel(handle)
    assert provider.creates_of(word) == []


async def test_during_an_upload_for_review(runs: Runs, provider: Provider, word: str) -> None:
    def failing(urls: list[str]) -> Any:
        return JSONResponse({}, 500) if word in urls[0] else uploaded(urls)

    provider.on_upload = failing
    handle = await runs.start(request=request(word, first_image=f"{IMAGE}{word}.png"), poll=FAST)
    await until_phase(handle, "reviewing_assets")
    await asyncio.sleep(0.5)
    assert "Nothing was bought" in await cancel(handle)
    provider.on_upload = None


@pytest.mark.parametrize("stops_after", [100_000, None])
async def test_during_a_download_or_between_two_tries_of_one(
    runs: Runs, provider: Provider, word: str, stops_after: int | None
) -> None:
    if stops_after:
        provider.hold_file[word] = stops_after
    else:
        nowhere = f"http://127.0.0.1:{free_port()}/"
        provider.on_query[word] = lambda task: provider.status(task, "completed", video_url=nowhere)
    handle = await runs.start(request=request(word), poll=FAST, name=word)
    await until_phase(handle, "downloading")
    await asyncio.sleep(1)
    assert "is billed" in await cancel(handle)


async def test_during_the_create_call_it_still_learns_the_task(runs: Runs, provider: Provider, word: str) -> None:
    with held_create(provider, word) as answer:
        handle = await runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        cancelling = asyncio.create_task(cancel(handle))
        await asyncio.sleep(0.5)
        answer.set()
        message = await cancelling
    assert list(provider.tasks)[-1] in message
    assert "is billed" in message


@pytest.mark.parametrize(
    ("answer", "policy", "told"),
    [
        (lambda: JSONResponse({"msg": "busy"}, 429), "hold", "Nothing was bought"),
        (lambda: JSONResponse({"msg": "no credit"}, 402), "hold", "Nothing was bought"),
        (lambda: HTMLResponse("<html>"), "resubmit", "Nobody knows"),
        (lambda: HTMLResponse("<html>"), "hold", "Nobody knows"),
    ],
)
async def test_no_second_create_call_follows_one_during_which_it_was_cancelled(
    runs: Runs, provider: Provider, word: str, answer: Callable[[], Response], policy: str, told: str
) -> None:
    provider.on_create[word] = lambda body: answer()
    with held_create(provider, word) as event:
        handle = await runs.start(request=request(word), poll=FAST, on_unknown_submission=policy)
        await reached(provider, word)
        cancelling = asyncio.create_task(cancel(handle))
        await asyncio.sleep(0.5)
        event.set()
        assert told in await cancelling
    assert len(provider.creates_of(word)) == 1


async def test_while_it_waits_for_a_decision(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_create[word] = lambda body: HTMLResponse("<html>")
    handle = await runs.start(request=request(word), poll=FAST)
    await until_phase(handle, "needs_decision")
    assert "if so, it is billed" in await cancel(handle)


async def test_between_two_create_calls(runs: Runs, provider: Provider, word: str) -> None:
    provider.on_create[word] = lambda body: JSONResponse({"msg": "busy"}, 429, {"Retry-After": "60"})
    handle = await runs.start(request=request(word), poll=FAST)
    await until(handle, lambda now: "has not accepted" in now["message"])
    assert "Nothing was bought" in await cancel(handle)


async def test_too_late_it_changes_nothing(runs: Runs, provider: Provider, word: str) -> None:
    handle = await runs.start(request=request(word), poll=FAST)
    result = await outcome(handle)
    assert result["task_id"] in provider.tasks
    assert (await until_phase(handle, "completed"))["next_poll_at"] is None


async def test_at_the_moment_of_the_answer_no_task_is_forgotten(runs: Runs, provider: Provider, word: str) -> None:
    prompts = [f"{word} {number}" for number in range(30)]
    with held_create(provider, word) as answer:
        handles = [await runs.start(request=request(prompt), poll=FAST) for prompt in prompts]
        async with asyncio.timeout(PATIENCE):
            while len(provider.creates_of(word)) < len(prompts):
                await asyncio.sleep(0.05)
        answer.set()

        async def cancelled(number: int) -> str:
            await asyncio.sleep(number / 750)
            return await cancel(handles[number])

        told = await asyncio.gather(*map(cancelled, range(len(prompts))))
    tasks = {str(task.body["prompt"]): task.id for task in provider.tasks.values()}
    assert [tasks[prompt] in message for prompt, message in zip(prompts, told, strict=True)] == [True] * len(prompts)
