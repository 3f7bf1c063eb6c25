"""The lines of a batch that have no video, ordered again so that nothing is paid twice."""

from collections.abc import Sequence

from manxue.batch import BatchLine
from manxue.failure import FailureType
from starter.batch_outcomes import FORGOTTEN, WAITING, LineOutcome, is_going_on, next_id, order_of
from starter.execution import NotPossible


def lines_to_retry(batch_id: str, outcomes: Sequence[LineOutcome], output: str | None = None) -> list[BatchLine]:
    """The lines of the batch that retries `batch_id`, with their videos to go to `output` where that is given.

    Raises NotPossible while runs are going on, or without any.
    """
    open_ = [outcome for outcome in outcomes if is_going_on(outcome)]
    if open_:
        one = open_[0].line.workflow_id
        raise NotPossible(f"{len(open_)} runs of {batch_id} are going on; wait for them or cancel them first: {one}")
    again = [
        _again(next_id(batch_id), outcome)
        for outcome in outcomes
        if outcome.result is None and outcome.state != FORGOTTEN
    ]
    if not again:
        videos = sum(outcome.result is not None for outcome in outcomes)
        raise NotPossible(f"nothing is left to do: {videos} of {len(outcomes)} lines of {batch_id} have their videos")
    elsewhere = {} if output is None else {"output": output}
    return [line.model_copy(update={"input": {**line.input, **elsewhere}}) for line in again]


def _again(new_id: str, outcome: LineOutcome) -> BatchLine:
    """A render that failed is ordered anew, under a new id.

    Everything else runs again under the old one: there the run itself finds what was bought, adopts it, and asks where
    nobody knows whether something was. A known task is adopted at once, without another look at the media.
    """
    line, failure = outcome.line, outcome.failure
    if outcome.state == WAITING:
        return line
    if failure and failure.kind == FailureType.RENDER_FAILED:
        return _as_ordered(line).model_copy(update={"workflow_id": f"{new_id}:{order_of(line)}"})
    line = line.model_copy(update={"again": True})
    if failure and failure.kind == FailureType.INVALID_REQUEST:
        return _as_ordered(line)  # nothing was bought, or a task that somebody named is none
    if not outcome.task_id or line.input.get("task_id"):
        return line
    return line.model_copy(update={"input": {**line.input, "task_id": outcome.task_id}, "adopted": True})


def _as_ordered(line: BatchLine) -> BatchLine:
    """Without the task that an earlier retry has adopted."""
    if not line.adopted:
        return line
    ordered = {name: value for name, value in line.input.items() if name != "task_id"}
    return line.model_copy(update={"input": ordered, "adopted": False})
