"""When the provider is asked."""

from datetime import timedelta
from itertools import pairwise
from random import Random
from statistics import fmean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.renders import SPREADS, watch
from manxue.render_times import Observed, RenderTimes, Seen, learn
from workflows.contract import Poll
from workflows.polling import cadence

MODEL = "sd2_manxue_720p"
chance = st.floats(0, 1, exclude_max=True)
moments = st.floats(0, 1e5)


@st.composite
def histories(draw: st.DrawFn) -> RenderTimes:
    """What any finished renders teach."""
    finished = []
    for _ in range(draw(st.integers(1, 20))):
        queued, left, unfinished, done = sorted(draw(st.tuples(*[st.floats(0, 20_000)] * 4)))
        finished.append(Observed(duration=5, mode="text", left_queue=(queued, left), finished=(unfinished, done)))
    return learn(finished, 5, "text")


def test_without_history_the_first_question_comes_when_a_render_could_be_done_and_then_every_28_to_60_s() -> None:
    rhythm = cadence(MODEL, 5, Poll(), seen=Seen())
    assert rhythm.wait(0, 0, 0.5) == 45
    assert rhythm.wait(1, 45, 0.5) == 28.9
    assert rhythm.wait(30, 900, 0.5) == 28.9
    assert rhythm.wait(60, 1800, 0.5) == pytest.approx(28.9 * 2**0.5)
    assert rhythm.wait(200, 10_000, 0.5) == 60
    assert cadence(MODEL, 5, Poll(), RenderTimes(), Seen()) == rhythm


def test_without_history_a_render_that_was_just_in_the_queue_is_left_alone_until_it_could_be_done() -> None:
    def wait(seen: Seen | None, now: float) -> float:
        return cadence("sd2_manxue_4k", 5, Poll(), seen=seen).wait(9, now, 0.5)

    assert wait(Seen(queued_at=4000), 4000) == 180
    assert wait(Seen(queued_at=4000, rendering_at=4060), 4060) == 120
    assert wait(Seen(queued_at=4000, rendering_at=4060), 4170) == 28.9
    assert wait(Seen(queued_at=4000, rendering_at=4060), 4000 + 5400) == 28.9
    assert wait(None, 1) == 28.9, "of a task that was adopted nobody knows when it was accepted"


@given(histories(), chance, moments)
def test_the_callers_rhythm_always_wins(times: RenderTimes, random: float, now: float) -> None:
    poll = Poll(first=timedelta(seconds=7), interval=timedelta(seconds=1), max_interval=timedelta(seconds=2))
    for polls in (0, 1, 40):
        asked = cadence(MODEL, 5, poll, times).wait(polls, now, random)
        assert asked == cadence(MODEL, 5, poll).wait(polls, now, random)
    first = Poll(first=timedelta(seconds=100))
    assert cadence(MODEL, 5, first, times).wait(0, 0, 0.5) == 100
    longest = Poll(max_interval=timedelta(seconds=40))
    assert cadence(MODEL, 5, longest, times).wait(9, now, 0.5) == 40


@given(histories(), chance, moments, st.floats(0, 1e4))
def test_history_never_asks_twice_within_10_s_and_never_forgets_a_render_that_is_overdue(
    times: RenderTimes, random: float, now: float, queued_at: float
) -> None:
    assert times.total
    for seen in (Seen(), Seen(queued_at=queued_at), Seen(queued_at=queued_at, rendering_at=queued_at + 30)):
        wait = cadence(MODEL, 5, Poll(), times, seen).wait(1, now, random)
        assert wait >= 10
        expected = times.completion(seen)
        assert expected
        if now > expected[-1]:
            assert wait <= 1.2 * max(60, now / 50)
        else:
            assert now + wait <= 1.2 * max(expected[-1], now + 60) + 60


@given(histories(), st.floats(0, 600))
def test_a_wait_that_the_provider_asks_for_is_kept(times: RenderTimes, retry_after: float) -> None:
    assert cadence(MODEL, 5, Poll(), times).wait(3, 100, 0.5, retry_after) >= retry_after


def test_a_misleading_first_run_of_hours_does_not_blind_the_next_one_for_hours() -> None:
    hours = Observed(duration=5, mode="text", left_queue=(0, 60), finished=(9000, 9060))
    assert cadence(MODEL, 5, Poll(), learn([hours], 5, "text")).wait(0, 0, 0.5) < 600


def asked(finished: list[tuple[float, float]], until: float) -> list[float]:
    """The moments at which a 720p render is asked about that goes on until then, when such runs have taught."""
    runs = [Observed(duration=5, mode="text", left_queue=(0, 60), finished=span) for span in finished]
    rhythm, moments = cadence(MODEL, 5, Poll(), learn(runs, 5, "text")), [0.0]
    while moments[-1] < until:
        moments.append(moments[-1] + rhythm.wait(len(moments) - 1, moments[-1], 0.5))
    return moments


def test_after_one_run_of_a_day_the_next_one_waits_for_a_question_a_twentieth_of_its_time_at_most() -> None:
    moments = asked([(79_970, 80_000)], 36_000)
    for before, after in pairwise(moments[3:]):
        assert 27.9 < after - before < max(before / 20, 30)


def test_the_more_runs_took_hours_the_less_is_asked_before_that() -> None:
    few, many = (asked([(t, t + 28) for t in range(7200, 9000, step)], 4500) for step in (360, 18))
    assert 5 < len(many) < 9
    assert len(many) < len(few) < 30


def test_with_history_renders_are_noticed_sooner_by_fewer_questions_than_every_30_s() -> None:
    for spread in SPREADS[:4]:
        random = Random(f"a seed of this test {spread.name}")
        finished: list[Observed] = []
        times = RenderTimes()
        for number in range(60):
            if number % 10 == 0:
                times = learn(finished, 5, "text")

            def rhythm(polls: int, now: float, seen: Seen, times: RenderTimes = times) -> float:
                return cadence(spread.model, 5, Poll(), times, seen).wait(polls, now, random.random())  # noqa: B023

            finished.append(watch(spread.draw(random), rhythm).observed)
        renders = [spread.draw(random) for _ in range(300)]
        learned, fixed = ([watch(render, r) for render in renders] for r in (rhythm, lambda *_: 30.0))
        assert fmean(n.polls for n in learned) < fmean(n.polls for n in fixed), spread.name
        for percentile in (50, 95):
            late, fixed_late = (quantiles([n.delay for n in ns], n=100)[percentile - 1] for ns in (learned, fixed))
            assert late < fixed_late, spread.name
