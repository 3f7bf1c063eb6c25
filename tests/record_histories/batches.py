"""`GenerateBatch` and its pages. Nothing in a request may differ between machines: ids of pages follow from it."""

import asyncio
from typing import Any

from starlette.responses import JSONResponse

from tests.record_histories.renders import ended, first
from tests.record_histories.stage import ASLEEP, QUEUE, Scene, Stage
from tests.support.runs import FAST, Handle, request, reset, until


def lines(word: str, count: int, **more: Any) -> list[dict[str, Any]]:
    """So many requests."""
    return [{"request": request(f"[{word}] {number}."), "poll": FAST, **more} for number in range(1, count + 1)]


async def start(on: Stage, word: str, requests: list[Any], queue: str = QUEUE, **more: Any) -> Handle:
    """Start a batch under the scene's word."""
    given = {"requests": requests, **more}
    return await on.client.start_workflow("GenerateBatch", given, id=word, task_queue=queue)


async def in_flight(handle: Handle, count: int) -> None:
    """Wait until so many run."""
    await until(handle, lambda now: now["counts"]["running"] == count)


async def batch_completed(on: Stage, word: str) -> None:
    """One of its renders fails."""
    on.provider.on_query[f"[{word}] 2."] = lambda task: on.provider.status(task, "failed", error={"message": "dark"})
    await ended(await start(on, word, lines(word, 4), concurrency=2))


async def batch_invalid(on: Stage, word: str) -> None:
    await ended(await start(on, word, [*lines(word, 1), {"request": request("", duration=99)}]))


async def batch_skipping_invalid(on: Stage, word: str) -> None:
    await ended(await start(on, word, [*lines(word, 1), {"request": request("")}, 7], skip_invalid=True))


async def batch_of_nonsense(on: Stage, word: str) -> None:
    await ended(await start(on, word, []))


async def batch_paused(on: Stage, word: str) -> None:
    """By an update, resumed with another limit, then by itself for want of credit."""
    on.provider.on_create[f"[{word}] 5."] = first(lambda: JSONResponse({"msg": "no credit"}, 402))
    handle = await start(on, word, lines(word, 6), concurrency=1)
    await in_flight(handle, 1)
    await handle.execute_update("pause")
    await in_flight(handle, 0)
    await handle.execute_update("set_concurrency", 2)
    await handle.execute_update("resume")
    await until(handle, lambda now: now["phase"] == "paused")
    await in_flight(handle, 0)
    await handle.execute_update("resume")
    await ended(handle)


async def batch_cancelled(on: Stage, word: str) -> None:
    handle = await start(on, word, lines(word, 4, poll=ASLEEP), concurrency=2)
    await in_flight(handle, 2)
    await handle.cancel()
    await ended(handle)


async def batch_reset(on: Stage, word: str) -> None:
    """The second run of it joins the renders that are there."""
    handle = await start(on, word, lines(word, 2))
    await ended(handle)
    await ended(await reset(handle, 4))


async def batch_under_way(on: Stage, word: str) -> None:
    await in_flight(await start(on, word, lines(word, 3, poll=ASLEEP), concurrency=2), 2)


async def batch_upgraded(on: Stage, word: str) -> None:
    """It moves to the next version of its worker while renders of it are in flight."""
    await on.version(word, "first")
    handle = await start(on, word, lines(word, 4, poll=ASLEEP), queue=word, concurrency=2)
    await in_flight(handle, 2)
    await on.version(word, "second")
    before = (await handle.describe()).run_id
    async with asyncio.timeout(60):
        while (await handle.describe()).run_id == before:
            await handle.execute_update("set_concurrency", 3)
            await asyncio.sleep(0.3)
    await in_flight(handle, 3)
    await handle.cancel()
    await ended(handle)


SCENES: tuple[Scene, ...] = (
    batch_completed,
    batch_invalid,
    batch_skipping_invalid,
    batch_of_nonsense,
    batch_paused,
    batch_cancelled,
    batch_reset,
    batch_under_way,
    batch_upgraded,
)
