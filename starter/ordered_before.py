"""Was a line of a batch file ordered before? Asked before a batch under a new id pays for it again."""

from collections.abc import Iterable

from temporalio.client import Client

from manxue.batch import BatchLine
from starter.batch import SOURCE, Batch
from starter.batch_outcomes import batch_lines, order_of
from starter.client import OtherRequest
from starter.execution import NotPossible
from workflows.batch_contract import GENERATE_BATCH

_LOOKED_AT = 20
"""Earlier batches of the same file, newest first."""


async def refuse_what_was_ordered(client: Client, source: str, lines: Iterable[BatchLine]) -> None:
    """Raises OtherRequest when an earlier batch of a file with that name ordered some of the lines."""
    wanted = {_ordered(line) for line in lines}
    earlier = [
        execution.id
        async for execution in client.list_workflows(f"WorkflowType = '{GENERATE_BATCH}'")
        if "~" not in execution.id  # a retry has only lines of the batch before it
        and (await execution.memo()).get(SOURCE) == source
    ]
    for batch_id in list(dict.fromkeys(earlier))[:_LOOKED_AT]:
        try:
            known = {_ordered(line) for line in await batch_lines(client, await Batch.find(client, batch_id))}
        except NotPossible:
            continue  # what it ordered is gone from the server
        if again := len(wanted & known):
            key = batch_id.removeprefix("batch-")
            raise OtherRequest(
                f"{again} of {len(wanted)} different lines of {source} were ordered before, by {batch_id}; nothing was "
                f"started. Add `--key {key}` to render only the others, or a --key of your own to pay for all of them"
            )


def _ordered(line: BatchLine) -> str:
    """What it orders, by the part of its run's id that follows from it."""
    return order_of(line).partition("-")[0]
