"""What is wrong with the fields around a request is said in the words of its author, not in those of a library."""

import re
from typing import Any

import pytest

from tests.support.runs import request
from workflows.run_input import input_problems

HOOK = {"url": "https://example.com/hook"}


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"deadline": 0}, "must be 1 s to 30 days"),
        ({"deadline": "-PT5S"}, "must be 1 s to 30 days"),
        ({"poll": {"interval": 0.05}}, "must be 0.1 s to 30 days"),
        ({"poll": {"first": "P31D"}}, "must be 0 s to 30 days"),
        ({"notify": "https://example.com/hook"}, "must be a list"),
        ({"notify": [{**HOOK, "events": []}]}, "must have at least 1 item"),
        ({"notify": [HOOK] * 11}, "must have at most 10 items"),
        ({"output": ""}, "must have at least 1 character"),
    ],
)
def test_a_hint_says_what_to_write(fields: dict[str, Any], hint: str) -> None:
    (told,) = input_problems({"request": request("x"), **fields})

    assert told.hint == hint
    assert not re.search(r"tuple|timedelta|validation|Input", str(told))


def test_a_caller_may_ask_as_often_as_several_times_a_second() -> None:
    assert input_problems({"request": request("x"), "poll": {"first": 0, "interval": 0.5, "max_interval": 0.5}}) == []
