"""`ReviewAsset` beyond what renders make of it."""

import asyncio

from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from tests.record_histories.renders import ended
from tests.record_histories.stage import QUEUE, REFUSED, Scene, Stage
from tests.support.runs import Handle
from workflows.policies import EVENTS_PER_RUN


async def ask(on: Stage, word: str, image: str | None = None) -> str:
    """Ask for the review of the scene's image, as a run does. Its state."""
    given = {"kind": "image", "reference": image or on.image(word)}
    start: WithStartWorkflowOperation[object, dict[str, str]] = WithStartWorkflowOperation(
        "ReviewAsset", given, id=word, task_queue=QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    review = await on.client.execute_update_with_start_workflow(
        "review", {"reference": given["reference"], "waiter": f"nobody-{word}"}, start_workflow_operation=start
    )
    return str(review["state"])


async def until_state(on: Stage, word: str, state: str, image: str | None = None) -> Handle:
    """Ask until there is that verdict."""
    async with asyncio.timeout(60):
        while await ask(on, word, image) != state:
            await asyncio.sleep(1)
    return on.client.get_workflow_handle(word)


async def review_forgotten(on: Stage, word: str) -> None:
    handle = await until_state(on, word, "active")
    await handle.execute_update("forget")
    await ended(handle)


async def review_lapsed(on: Stage, word: str) -> None:
    """Submitted again, three times, and then it is given up."""
    on.asset_states[word] = "EXPIRED"
    await ask(on, word)
    await ended(on.client.get_workflow_handle(word))


async def review_cancelled(on: Stage, word: str) -> None:
    on.asset_states[word] = "Processing"
    await ask(on, word)
    handle = on.client.get_workflow_handle(word)
    await asyncio.sleep(4)
    await handle.cancel()
    await ended(handle)


async def review_of_a_refused_address(on: Stage, word: str) -> None:
    """What lies there is accepted under another one."""
    refused, taken = (on.provider.image(f"{word}-{name}.png", "tan") for name in (REFUSED, "taken"))
    await until_state(on, word, "refused", refused)
    await until_state(on, word, "active", taken)


async def review_under_way(on: Stage, word: str) -> None:
    on.asset_states[word] = "Processing"
    await ask(on, word)
    await asyncio.sleep(5)


async def review_asked_for_often(on: Stage, word: str) -> None:
    """It continues as new, and remembers."""
    handle = await until_state(on, word, "active")
    first = (await handle.describe()).run_id
    for _ in range(EVENTS_PER_RUN):
        await ask(on, word)
        if (await handle.describe()).run_id != first:
            return


async def review_of_nonsense(on: Stage, word: str) -> None:
    await ended(await on.client.start_workflow("ReviewAsset", {"kind": "nonsense"}, id=word, task_queue=QUEUE))


SCENES: tuple[Scene, ...] = (
    review_forgotten,
    review_lapsed,
    review_cancelled,
    review_of_a_refused_address,
    review_under_way,
    review_asked_for_often,
    review_of_nonsense,
)
