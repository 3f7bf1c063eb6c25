"""`GenerateBatch` as a foreign service meets it: started by name with JSON, on the real server."""

import asyncio
from typing import Any

from tests.support.provider import Provider
from tests.support.runs import FAST, Handle, Runs, outcome, progress, request

ASLEEP = {"first": 600, "interval": 600, "max_interval": 600}


def lines(word: str, count: int, **more: Any) -> list[dict[str, Any]]:
    """Inputs of so many runs, told apart by their prompts."""
    return [{"request": request(f"{word} {number}."), "poll": FAST, **more} for number in range(1, count + 1)]


async def start(runs: Runs, word: str, requests: list[Any], **more: Any) -> Handle:
    """Start a batch."""
    given = {"requests": requests, **more}
    return await runs.client.start_workflow("GenerateBatch", given, id=f"batch-{word}", task_queue=runs.task_queue)


async def test_all_requests_are_rendered_and_never_more_at_a_time_than_was_said(
    runs: Runs, provider: Provider, word: str
) -> None:
    handle = await start(runs, word, lines(word, 12), concurrency=3)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, (await progress(handle))["counts"]["running"])
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    result = await outcome(handle)
    watching.cancel()
    assert result["counts"] == {"total": 12, "waiting": 0, "running": 0, "completed": 12, "failed": 0, "canceled": 0}
    assert most == 3
    assert len(provider.creates_of(word)) == 12
