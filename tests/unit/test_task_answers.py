"""What the provider says of tasks: whatever stands beside what is needed, what is needed is read."""

from typing import Any

import pytest

from manxue.answers import Completed, Processing
from manxue.errors import UnknownOutcome
from manxue.wire import read_created, read_task

NO_NUMBERS = ["NaN", "1e999", "-inf", 10**400, "3.5 CNY", "", None, True, [5], {"value": 5}]
"""Read as JSON, or as a number, by a parser that takes more than JSON has."""


@pytest.mark.parametrize("odd", NO_NUMBERS)
def test_an_accepted_task_is_accepted_whatever_else_the_answer_has(odd: Any) -> None:
    assert read_created({"id": "task-1", "status": "queued", "created": odd}).id == "task-1"


@pytest.mark.parametrize("odd", NO_NUMBERS)
def test_what_is_no_number_counts_as_left_out(odd: Any) -> None:
    url = "https://cdn.example.com/a.mp4"
    answer = {"status": "completed", "video_url": url, "actualDuration": odd, "created": odd, "amount": odd}

    assert read_task(answer) == Completed(url)
    assert read_task({"status": "processing", "progress": odd}) == Processing()


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 200, "msg": "ok", "data": {"projectId": "task-1"}},
        {"code": "OK", "id": "task-1"},
        {"code": "0", "data": {"projectId": "task-1 of 2"}},
    ],
)
def test_an_answer_that_could_mean_either_is_neither_and_names_the_id(answer: Any) -> None:
    with pytest.raises(UnknownOutcome, match="task-1"):
        read_created(answer)


@pytest.mark.parametrize("progress", [50, 50.0, "50", "50%", " 50 % "])
def test_progress_is_read_in_every_reported_form(progress: Any) -> None:
    assert read_task({"status": "PROCESSING", "progress": progress}) == Processing(50.0)
