"""`AdmitRenders`, and renders at an account with limits."""

import asyncio

from manxue.admission import admission_id
from tests.record_histories.renders import ended, rendering
from tests.record_histories.stage import Scene, Stage
from tests.support.account import until_account
from tests.support.processes import API_KEY
from tests.support.provider import reached
from tests.support.runs import Handle, until


async def waits_for_its_turn(handle: Handle) -> None:
    """Wait until the run knows its place."""
    await until(handle, lambda now: now["admission"] is not None)


async def admission(on: Stage, word: str) -> None:
    """One slot: a run holds it, one gives up its place, one waits and gets it."""
    first, left, second = f"{word}-first", f"{word}-cancelled", f"{word}-second"
    rendering(on, first)
    await on.worker(word, MANXUE_MAX_IN_FLIGHT="1", MANXUE_SUBMITS_PER_SECOND="5")
    holder = await on.render(first, queue=word)
    await reached(on.provider, f"[{first}]")
    leaver, waiter = await on.render(left, queue=word), await on.render(second, queue=word)
    await asyncio.gather(waits_for_its_turn(leaver), waits_for_its_turn(waiter))
    await leaver.cancel()
    await ended(leaver)
    del on.provider.on_query[f"[{first}]"]
    await ended(holder)
    await ended(waiter)


async def admission_terminated(on: Stage, word: str) -> None:
    """A run that holds the slot is terminated: those who hold slots are looked at, after a minute."""
    first, second = f"{word}-first", f"{word}-second"
    rendering(on, first)
    await on.worker(word, MANXUE_MAX_IN_FLIGHT="1")
    holder = await on.render(first, queue=word)
    await reached(on.provider, f"[{first}]")
    waiter = await on.render(second, queue=word)
    await waits_for_its_turn(waiter)
    await holder.terminate()
    account = on.client.get_workflow_handle(admission_id(word, on.provider.url, API_KEY))
    await until_account(account, lambda now: now["in_flight"][0]["task_id"] is not None)


SCENES: tuple[Scene, ...] = (admission_terminated, admission)
