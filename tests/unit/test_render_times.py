"""What finished renders teach, from the intervals in which polls found them finished."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from manxue.render_times import LEVELS, Observed, RenderTimes, Seen, learn, quantiles

spans = st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(lambda span: (min(span), max(span)))


def observed(finished: tuple[float, float], duration: int = 5, left_queue: tuple[float, float] = (0, 1)) -> Observed:
    return Observed(duration=duration, mode="text", left_queue=left_queue, finished=finished)


@given(st.lists(spans, min_size=1, max_size=30))
def test_quantiles_ascend_and_stay_near_what_was_seen(seen: list[tuple[float, float]]) -> None:
    found = quantiles(seen)
    assert len(found) == len(LEVELS)
    assert list(found) == sorted(found)
    assert found[0] >= 0
    assert found[-1] <= 2 * max(high for _, high in seen) + 1


def test_the_distribution_is_found_although_only_intervals_are_known() -> None:
    random = Random(7)
    lengths = sorted(random.gauss(300, 30) for _ in range(100))
    rhythm = [(length // 30 * 30, length // 30 * 30 + 30) for length in lengths]
    found = quantiles(rhythm)
    assert abs(found[LEVELS.index(0.5)] - lengths[50]) < 10
    assert abs(found[LEVELS.index(0.9)] - lengths[90]) < 25
    assert abs(found[LEVELS.index(0.1)] - lengths[10]) < 25


def test_one_run_promises_less_than_many_alike() -> None:
    one, many = (quantiles([(290, 310)] * count) for count in (1, 100))
    assert one[0] < many[0]
    assert one[-1] > many[-1]


def test_a_run_whose_worker_was_off_overnight_does_not_make_renders_of_two_minutes_last_hours() -> None:
    usual = [observed((high - 10, high), left_queue=(5, 15)) for high in (100, 105, 110, 115)]
    times = learn([*usual, observed((60, 30_000), left_queue=(5, 15))], 5, "text")
    assert times.total
    assert times.render
    assert times.total[-1] < 200
    assert times.render[-1] < 200
    times = learn([*usual, observed((60, 30_000), left_queue=(60, 30_000))], 5, "text")
    assert times.total
    assert times.total[-1] < 200


def test_a_render_that_was_finished_at_the_first_question_is_taken_to_have_needed_half_of_the_time() -> None:
    found = quantiles([(0, 100)] * 100)
    assert 45 < found[0] < 55
    assert 95 < found[-1] < 110


def test_few_alike_are_outweighed_by_all_of_the_model_and_none_teach_nothing() -> None:
    long, short = [observed((600, 620), duration=15)] * 8, [observed((100, 120))] * 4
    assert learn([], 5, "text") == RenderTimes()
    times = learn([*long, *short], 5, "text")
    assert (times.runs, times.level) == (12, "model")
    times = learn([*long, *short, *short], 5, "text")
    assert (times.runs, times.level) == (8, "alike")
    assert times.total
    assert times.total[-1] < 200
    times = learn(short[:2], 5, "text")
    assert (times.runs, times.level) == (2, "alike")


def test_queue_and_render_are_told_apart_only_where_the_polls_tell() -> None:
    told = learn([observed((280, 300), left_queue=(90, 110))] * 9, 5, "text")
    assert told.queue
    assert told.render
    assert told.queue[6] == pytest.approx(100, abs=10)
    assert told.render[6] == pytest.approx(190, abs=20)
    untold = learn([observed((280, 300), left_queue=(0, 280))] * 9, 5, "text")
    assert untold.total
    assert (untold.queue, untold.render) == (None, None)


def test_a_render_that_queues_longer_than_usual_is_expected_later_and_then_by_the_end_of_its_queue() -> None:
    times = learn([observed((280, 300), left_queue=(90, 110))] * 9, 5, "text")
    usual = times.completion(Seen())
    assert usual == times.total
    queued = times.completion(Seen(queued_at=1000))
    assert queued
    assert 1100 < queued[0] < queued[-1] < 1400
    wide = learn([observed((a + 180, a + 200), left_queue=(a - 10, a + 10)) for a in range(50, 2050, 50)], 5, "text")
    rendering = wide.completion(Seen(queued_at=1500, rendering_at=1520))
    assert rendering
    assert 1600 < rendering[0] < rendering[-1] < 1800


@pytest.mark.parametrize("finished", [(2, 1), (-1, 1), (0, float("inf")), (0, float("nan")), (0, 1e9)])
def test_an_impossible_observation_is_refused(finished: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        observed(finished)
