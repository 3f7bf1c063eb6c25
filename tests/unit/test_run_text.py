"""What is said of a run while it goes on: pure text, at a moment that the test chooses."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from starter.display import clean, span
from starter.download_progress import DownloadProgress
from starter.run_text import Moment, ahead, expectation, line, news, percentage, steps
from workflows.contract import Estimate, Phase, Progress

BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def moment(
    phase: Phase, timeline: Mapping[Phase, float], download: DownloadProgress | None = None, **more: object
) -> Moment:
    times = {entered: at(seconds) for entered, seconds in {Phase.VALIDATING: 0, **timeline}.items()}
    progress = Progress.model_validate(
        {"phase": phase, "since": times[phase], "message": "a sentence", "timeline": times, **more}
    )
    return Moment(BEGAN, phase, progress.message, progress, download, timeline=times)


RENDERING = {Phase.SUBMITTING: 1, Phase.QUEUED: 2, Phase.RENDERING: 37}
DOWNLOADING = {**RENDERING, Phase.DOWNLOADING: 100}


def test_time_in_the_queue_is_told_apart_from_the_time_of_the_render() -> None:
    now = moment(Phase.RENDERING, RENDERING, next_poll_at=at(400), percent=45)
    assert steps(now.timeline, at(367)) == "queue 35 s · render 5 min 30 s"
    assert ahead(now, at(367)) == "next poll in 33 s"
    assert (percentage(now, at(367)), now.elapsed(at(367))) == ("45 %", "6 min 07 s")


def test_a_render_that_nobody_saw_leave_the_queue_is_not_called_queueing() -> None:
    times = {Phase.QUEUED: at(2), Phase.DOWNLOADING: at(32), Phase.COMPLETED: at(35)}
    assert steps(times, at(99)) == "queue and render 30 s · download 3 s"
    assert steps({Phase.QUEUED: at(2)}, at(32)) == "queue 30 s"


def test_the_next_poll_counts_down_to_one_second_and_then_the_provider_is_asked() -> None:
    now = moment(Phase.QUEUED, {Phase.QUEUED: 2}, next_poll_at=at(40))
    assert [ahead(now, at(seconds)) for seconds in (10, 39.9, 40)] == [
        "next poll in 30 s",
        "next poll in 1 s",
        "asking the provider",
    ]


def test_an_expected_end_is_marked_as_expected_and_its_passing_is_said() -> None:
    usual = Estimate(total=(60, 180), based_on=40, since=at(2))
    now = moment(Phase.RENDERING, RENDERING, eta=at(102), estimate=usual)
    assert percentage(now, at(92)) == "~50 %"
    assert expectation(now, at(52)) == "usually 60 s to 3 min; expected in 50 s"
    assert percentage(now, at(500)) == "~99 %"
    assert expectation(now, at(500)) == "usually 60 s to 3 min; taking longer than usual"


def test_a_download_is_told_in_bytes_and_rate_and_then_as_being_checked() -> None:
    half = moment(Phase.DOWNLOADING, DOWNLOADING, DownloadProgress(20_000_000, 50_000_000))
    assert ahead(half, at(110)) == "20.0 MB of 50.0 MB"
    assert ahead(replace(half, rate=2e6), at(110)) == "20.0 MB of 50.0 MB · 2.0 MB/s · 15 s left"
    assert percentage(half, at(110)) == "40 %"
    whole = replace(half, download=DownloadProgress(50_000_000, 50_000_000))
    assert ahead(whole, at(110)) == "50.0 MB · checking the file"
    unknown = replace(half, download=DownloadProgress(20_000_000))
    assert (ahead(unknown, at(110)), percentage(unknown, at(110))) == ("20.0 MB", "")


def test_a_download_that_is_tried_again_says_why_and_when() -> None:
    broken = DownloadProgress(0, None, attempt=3, trouble="the disk is full", next_attempt_at=at(120))
    now = moment(Phase.DOWNLOADING, DOWNLOADING, broken)
    assert ahead(now, at(110)) == "attempt 3 in 10 s"
    assert news(now) == "attempt 2 failed: the disk is full"
    assert line(now, "", at(110)) == "1 min 50 s: downloading: attempt 2 failed: the disk is full"


def test_a_run_says_its_sentence_only_where_it_is_news() -> None:
    assert news(moment(Phase.RENDERING, RENDERING)) is None
    assert news(moment(Phase.RENDERING, RENDERING, trouble="502")) == "a sentence"
    assert news(moment(Phase.VALIDATING, {})) == "a sentence"


def test_a_plain_line_holds_label_time_phase_percent_and_sentence() -> None:
    assert (
        line(moment(Phase.RENDERING, RENDERING, percent=45), "one", at(60))
        == "one: 1 min 00 s: rendering 45 %: a sentence"
    )
    assert line(moment(Phase.NEEDS_DECISION, {Phase.NEEDS_DECISION: 5}), "", at(9)) == "9 s: needs decision: a sentence"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59.9, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (86400, "1 d"), (90000, "1 d 1 h")],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_other_peoples_words_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x9b31mc\r\td\ne") == "a�[2Jb�31mc�\td\ne"
