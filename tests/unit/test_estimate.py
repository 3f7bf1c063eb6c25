"""How long it takes, in words and moments."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_jsonable_python

from manxue.checked_request import CheckedRequest
from manxue.render_times import Observed, Seen, learn
from manxue.vocabulary import Mode
from workflows.contract import Estimate, GenerateVideoInput, Phase, Progress
from workflows.estimate import describe_estimate, estimate_of, eta_of, lesson, time_range
from workflows.run_state import ContinuedRun, RunState

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = CheckedRequest(model="sd2_manxue_720p", prompt="a", duration=5, ratio="16:9", mode=Mode.TEXT)
MANY = learn([Observed(duration=5, mode="text", left_queue=(0, 20), finished=(200, 320))] * 40, 5, "text")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def waiting(**fields: Any) -> RunState:
    known = {"started_at": START, "since": START, "phase": Phase.RENDERING, "submitted_at": START, "request": REQUEST}
    return RunState(**{**known, "render_times": MANY, **fields})


def said(phase: Phase, seconds: float, **estimate: Any) -> str | None:
    given = Estimate(**{"total": (190, 350), "based_on": 20, "level": "alike", "since": START, **estimate})
    return describe_estimate(Progress(phase=phase, since=START, message="", estimate=given), at(seconds))


def test_it_is_told_in_words() -> None:
    assert said(Phase.RENDERING, 100) == "usually 3 to 6 min"
    assert said(Phase.RENDERING, 400) == "usually 3 to 6 min; taking longer than usual"
    assert said(Phase.QUEUED, 9, queue=(8, 33)) == "usually 3 to 6 min, 8 to 35 s of it in the queue"
    assert said(Phase.VALIDATING, 0, since=None, based_on=2) == "usually 3 to 6 min (going by 2 runs)"
    assert said(Phase.RENDERING, 400, since=None) == "usually 3 to 6 min"
    untaught = said(Phase.RENDERING, 10**6, based_on=0)
    assert untaught == "presumably 3 to 6 min; nothing like it has finished here yet"
    assert said(Phase.DOWNLOADING, 400) is None
    assert describe_estimate(Progress(phase=Phase.RENDERING, since=START, message=""), START) is None


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (4.2, 8, "4 to 8 s"),
        (42, 93, "40 to 95 s"),
        (45, 130, "45 s to 3 min"),
        (200, 230, "3 to 4 min"),
        (1700, 7000, "28 min to 2 h"),
        (5400, 9000, "90 min to 2.5 h"),
        (9000, 9000, "2.5 h"),
    ],
)
def test_ranges_are_told_in_round_numbers(low: float, high: float, text: str) -> None:
    assert time_range(low, high) == text


@given(st.floats(0, 2000))
def test_a_moment_is_named_only_ahead_and_only_while_it_is_likely(seconds: float) -> None:
    state = waiting()
    eta, estimate = eta_of(state, at(seconds)), estimate_of(state, at(seconds))
    assert estimate
    assert estimate.based_on == 40
    if eta is None:
        assert seconds > estimate.total[1] - 1
    else:
        assert at(seconds) < eta < at(400)
        assert not estimate.overdue


def test_where_nothing_is_known_nothing_is_promised() -> None:
    assert estimate_of(waiting(request=None), START) is None
    for state in (waiting(render_times=None), waiting(accepted_earlier=True), waiting(submitted_at=None)):
        assert eta_of(state, at(10)) is None
        estimate = estimate_of(state, at(10**6))
        assert estimate
        assert estimate.since is None or estimate.based_on == 0
        assert not estimate.overdue


def test_a_run_leaves_between_which_questions_its_render_left_the_queue_and_was_finished() -> None:
    state = waiting(seen=Seen(queued_at=10.04, rendering_at=40), unfinished_at=91.26, finished_at=100)
    left = lesson(state)
    assert left
    assert Observed.model_validate(left) == Observed(duration=5, mode="text", left_queue=(10, 40), finished=(91.3, 100))
    for state in (waiting(), waiting(finished_at=9.0, accepted_earlier=True)):
        assert lesson(state) is None


def test_a_render_of_more_than_30_days_ends_its_run_and_teaches_nothing() -> None:
    month = 30 * 86400
    assert lesson(waiting(unfinished_at=month - 60, finished_at=month))
    assert lesson(waiting(unfinished_at=month, finished_at=month + 60)) is None
    assert lesson(waiting(seen=Seen(queued_at=month + 60), finished_at=month - 60)) is None


@given(*[st.floats(0, 4e6)] * 4)
def test_whatever_the_clocks_said_a_run_can_end(
    queued: float, rendering: float, unfinished: float, done: float
) -> None:
    seen = Seen(queued_at=queued, rendering_at=rendering)
    left = lesson(waiting(seen=seen, unfinished_at=unfinished, finished_at=done))
    assert left is None or learn([Observed.model_validate(left)], 5, "text").runs == 1


def test_a_run_that_began_before_runs_were_taught_goes_on() -> None:
    old = to_jsonable_python(waiting(given=GenerateVideoInput(request={})))
    for unknown in ("render_times", "seen", "unfinished_at", "accepted_earlier"):
        del old[unknown]
    state = ContinuedRun.model_validate({"continued": old}).continued
    estimate = estimate_of(state, at(10))
    assert estimate
    assert (estimate.based_on, estimate.total) == (0, (30.0, 300.0))
