"""Waiting for a batch with its progress on the screen, and showing what has become of its lines."""

from temporalio.client import Client

from starter import display
from starter.batch import Batch
from starter.batch_outcomes import own_outcomes, reported
from starter.batch_view import BatchView
from starter.cli.exit_codes import FAILED, Stopped
from starter.cli.session import interruptible
from starter.outcome import RunFailed
from workflows.batch_contract import BatchResult
from workflows.next_steps import CANCELED, TERMINATED, TIMED_OUT

_MANY = 500
"""Runs, whose results are not there in a moment."""


async def wait_and_show(client: Client, batch: Batch, *, as_json: bool) -> None:
    """Wait for the end. Raises Stopped when lines have no video, RunFailed when the batch never began."""
    again = f"the batch goes on. Watch it again: manxue batch watch {batch.id}"
    with interruptible(again, f". Cancel it: manxue batch cancel {batch.id}"), BatchView(client, batch) as view:
        try:
            result = await batch.follow(view.show)
        except RunFailed as ended:
            if ended.kind not in (CANCELED, TERMINATED, TIMED_OUT):
                raise
            rest = f"fetch what is paid and run the rest: manxue batch retry {batch.id}"
            raise Stopped(FAILED, f"{ended.message} To {rest}") from ended
        view.end(result)
    if result.counts.total > _MANY:
        display.say(f"asking {result.counts.total} runs for their results ...", "dim")
    lines = [reported(outcome) for outcome in await own_outcomes(client, batch)]
    if as_json:
        document = {"batch_id": batch.id, **result.model_dump(mode="json")}
        display.put_json({**document, "lines": [line.model_dump() for line in lines]})
    else:
        for line in lines:
            if line.uri:
                display.put(display.location(line.uri))
    _require_all(batch, result)


def _require_all(batch: Batch, result: BatchResult) -> None:
    counts = result.counts
    without = counts.total - counts.completed
    told = f"{counts.completed} of {counts.total} lines have their videos"
    report = f"the report: manxue batch report {batch.id}"
    if not without:
        display.say(f"{told}; {report}")
        return
    raise Stopped(FAILED, f"{told}; the others again: manxue batch retry {batch.id}; {report}")
