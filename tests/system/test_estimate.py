"""Finished runs teach later ones how long a render takes, through the server's own list of runs."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client

from tests.support.patience import PATIENCE
from tests.support.runs import FAST, Runs, outcome, progress, request, until

MODEL = "sd2_manxue_video_4k"
"""No other test uses it. Without history it is asked about after 108 s."""


async def test_two_finished_runs_teach_the_third_when_to_ask_and_an_adopted_one_teaches_nothing(
    runs: Runs, client: Client, word: str
) -> None:
    wanted: dict[str, Any] = {**request(word), "model": MODEL}
    first, second = [await runs.start(request=wanted, poll=FAST) for _ in range(2)]
    untaught = await until(first, lambda now: now["estimate"] is not None)
    assert untaught["estimate"]["based_on"] == 0
    assert untaught["eta"] is None
    task_id = (await outcome(first))["task_id"]
    await outcome(second)
    # Its age is unknown; and whatever somebody else leaves in a memo is no reason to fail.
    adopted = {"request": wanted, "task_id": task_id, "poll": FAST}
    memo = {"render": {"finished": [-1, "nonsense"]}}
    await client.execute_workflow("GenerateVideo", adopted, id=f"adopted-{word}", task_queue=runs.task_queue, memo=memo)
    await listed(client, 3)

    third = await runs.start({"request": wanted})
    now = await until(third, lambda now: now["next_poll_at"] is not None)
    estimate = now["estimate"]
    assert (estimate["based_on"], estimate["level"]) == (2, "alike")
    since, next_poll_at, eta = (
        datetime.fromisoformat(moment) for moment in (estimate["since"], now["next_poll_at"], now["eta"])
    )
    assert timedelta(seconds=9) < next_poll_at - since < timedelta(seconds=90)
    assert eta - since < timedelta(seconds=90)
    for _ in range(3):
        await third.execute_update("poll_now")
    await outcome(third)
    assert (await progress(third))["eta"] is None
    seen = (await (await third.describe()).memo())["render"]
    assert 0 <= seen["left_queue"][0] <= seen["left_queue"][1] <= seen["finished"][1]


async def listed(client: Client, count: int) -> None:
    """Wait until the server lists so many finished runs of the model."""
    query = f'ManxueModel = "{MODEL}" AND ExecutionStatus = "Completed"'
    async with asyncio.timeout(PATIENCE):
        while (await client.count_workflows(query)).count < count:
            await asyncio.sleep(0.1)
