"""Which lines a retry orders, and as what."""

from typing import Any

from manxue.batch import BatchLine
from manxue.failure import FailureDetails, FailureType
from starter.batch_outcomes import LineOutcome
from starter.batch_retry import lines_to_retry
from starter.outcome import RunFailed


def retried(batch_id: str, line: BatchLine, kind: FailureType, task_id: str | None) -> BatchLine:
    """The one line of a retry, whose run failed."""
    failure = RunFailed(kind, "no", FailureDetails(task_id=task_id))
    (again,) = lines_to_retry(batch_id, [LineOutcome(line, "failed", task_id=task_id, failure=failure)])
    return again


def line_of(**more: Any) -> BatchLine:
    """A line of the batch `b`."""
    return BatchLine(number=1, workflow_id="b:1", input={"request": {}, **more})


def test_a_wrong_task_id_that_a_retry_has_taken_over_does_not_stay() -> None:
    adopting = retried("b", line_of(), FailureType.RESULT_INCOMPLETE, "mistyped")
    assert (adopting.workflow_id, adopting.input["task_id"]) == ("b:1", "mistyped")
    assert retried("b~2", adopting, FailureType.DOWNLOAD_FAILED, "mistyped").input == adopting.input
    again = retried("b~2", adopting, FailureType.INVALID_REQUEST, "mistyped")
    assert (again.workflow_id, again.again, again.input) == ("b:1", True, line_of().input)


def test_a_task_that_its_author_has_named_stays() -> None:
    late = retried("b", line_of(task_id="t"), FailureType.DEADLINE_EXCEEDED, "t")
    dark = retried("b~2", late, FailureType.RENDER_FAILED, "t")
    assert (dark.workflow_id, dark.input["task_id"]) == ("b~3:1", "t")


def test_a_line_is_written_as_before_where_no_retry_has_adopted_its_task() -> None:
    assert set(line_of().model_dump()) == {"number", "workflow_id", "input", "again"}
