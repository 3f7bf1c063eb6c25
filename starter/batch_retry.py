"""The lines of a batch that have no video, ordered again so that nothing is paid twice."""

from collections.abc import Sequence

from manxue.batch import BatchLine
from manxue.failure import FailureType
from starter.batch_outcomes import WAITING, LineOutcome, is_going_on, next_id
from starter.execution import NotPossible


def lines_to_retry(batch_id: str, outcomes: Sequence[LineOutcome]) -> list[BatchLine]:
    """The lines of the batch that retries `batch_id`. Raises NotPossible while runs are going on, or without any."""
    open_ = [outcome for outcome in outcomes if is_going_on(outcome)]
    if open_:
        one = open_[0].line.workflow_id
        raise NotPossible(f"{len(open_)} runs of {batch_id} are going on; wait for them or cancel them first: {one}")
    again = [_again(next_id(batch_id), outcome) for outcome in outcomes if outcome.result is None]
    if not again:
        raise NotPossible(f"nothing is left to do: all {len(outcomes)} lines of {batch_id} have their videos")
    return again


def _again(new_id: str, outcome: LineOutcome) -> BatchLine:
    """A render that failed is ordered anew, under a new id.

    Everything else runs again under the old one: there the run itself finds what was bought, adopts it, and asks where
    nobody knows whether something was. A known task is adopted at once, without another look at the media.
    """
    line, failure = outcome.line, outcome.failure
    if outcome.state == WAITING:
        return line
    if failure and failure.kind == FailureType.RENDER_FAILED:
        return line.model_copy(update={"workflow_id": f"{new_id}:{line.workflow_id.rpartition(':')[2]}"})
    is_ours = failure is None or failure.kind != FailureType.INVALID_REQUEST
    adopted = {"task_id": outcome.task_id} if outcome.task_id and is_ours else {}
    return line.model_copy(update={"again": True, "input": {**line.input, **adopted}})
