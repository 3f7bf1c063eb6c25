"""How long a run will take, for people and programs: from what finished runs taught, and never more exact than that."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from manxue.render_times import ENOUGH, LEVELS, USUAL, Observed, Quantiles, RenderTimes, interpolated, presumed
from workflows.contract import Estimate, Phase, Progress
from workflows.run_state import RunState

_WAITING = (Phase.QUEUED, Phase.RENDERING)
_BEFORE = (Phase.VALIDATING, Phase.REVIEWING_ASSETS, Phase.SUBMITTING, Phase.NEEDS_DECISION)
_UNLIKELY = 0.9
"""Of renders like this one, the share that has finished when no time is named for the rest any more."""


def describe_estimate(progress: Progress, now: datetime) -> str | None:
    """How long it usually takes, and whether it takes longer: `usually 3 to 6 min; taking longer than usual`.

    None where there is nothing to say: before the request is checked, and from the download on.
    """
    estimate = progress.estimate
    if estimate is None or progress.phase not in (*_BEFORE, *_WAITING):
        return None
    if not estimate.based_on:
        return f"presumably {time_range(*estimate.total)}; nothing like it has finished here yet"
    told = f"usually {time_range(*estimate.total)}"
    if progress.phase == Phase.QUEUED and estimate.queue:
        told += f", {time_range(*estimate.queue)} of it in the queue"
    if estimate.based_on < ENOUGH:
        told += f" (going by {estimate.based_on} run{'s' * (estimate.based_on != 1)})"
    if progress.phase in _WAITING and _is_overdue(estimate, now):
        told += "; taking longer than usual"
    return told


def estimate_of(state: RunState, now: datetime) -> Estimate | None:
    """What a run's `progress` says of how long it takes; None until its request has been checked."""
    if state.request is None:
        return None
    times = state.render_times or RenderTimes()
    estimate = Estimate(
        total=_usual(times.total) or presumed(state.request.model, state.request.duration),
        queue=_usual(times.queue),
        render=_usual(times.render),
        based_on=times.runs,
        level=times.level,
        since=None if state.accepted_earlier else state.submitted_at,
    )
    estimate.overdue = state.phase in _WAITING and _is_overdue(estimate, now)
    return estimate


def eta_of(state: RunState, now: datetime) -> datetime | None:
    """When half of the renders like this one that have taken this long are finished.

    None where that cannot be said: nothing learned, a task of unknown age, or longer than nine of ten took.
    """
    if state.render_times is None or state.submitted_at is None or state.accepted_earlier:
        return None
    expected = state.render_times.completion(state.seen)
    if expected is None or state.phase not in _WAITING:
        return None
    gone = interpolated(expected, LEVELS, (now - state.submitted_at).total_seconds())
    gone = 0.0 if gone == LEVELS[0] else gone
    if gone >= _UNLIKELY:
        return None
    return state.submitted_at + timedelta(seconds=interpolated(LEVELS, expected, (1 + gone) / 2))


def lesson(state: RunState) -> dict[str, Any] | None:
    """What a run leaves for later ones in its memo, an `Observed` with `provider`.

    None where the submission was not seen, in runs that began before runs were taught, without a finished render, and
    where it took longer than anything that is learned from.
    """
    if state.request is None or state.render_times is None or state.finished_at is None or state.accepted_earlier:
        return None
    left_queue = state.finished_at if state.seen.rendering_at is None else state.seen.rendering_at
    try:
        observed = Observed(
            duration=state.request.duration,
            mode=state.request.mode,
            left_queue=_tenths(state.seen.queued_at, left_queue),
            finished=_tenths(state.unfinished_at, state.finished_at),
        )
    except ValidationError:  # to raise it here would fail the last workflow task of a paid run for ever
        return None
    return {**observed.model_dump(), "provider": state.render_times.provider}


def time_range(low: float, high: float) -> str:
    """A range of seconds in round numbers, never narrower than it is: `40 to 95 s`, `3 to 6 min`, `45 min to 2 h`."""
    (first, unit), (last, last_unit) = _rounded(low, math.floor), _rounded(high, math.ceil)
    if (first, unit) == (last, last_unit):
        return f"{last:g} {last_unit}"
    return f"{first:g}{'' if unit == last_unit else f' {unit}'} to {last:g} {last_unit}"


def _rounded(seconds: float, whole: Callable[[float], int]) -> tuple[float, str]:
    if seconds < 100:
        step = 1 if seconds < 10 else 5
        return whole(seconds / step) * step, "s"
    if seconds < 6000:
        return whole(seconds / 60), "min"
    return whole(seconds / 1800) / 2, "h"


def _usual(known: Quantiles | None) -> tuple[float, float] | None:
    return None if known is None else (known[USUAL[0]], known[USUAL[1]])


def _tenths(not_before: float, not_after: float) -> tuple[float, float]:
    return round(not_before, 1), round(max(not_before, not_after), 1)


def _is_overdue(estimate: Estimate, now: datetime) -> bool:
    if estimate.since is None or not estimate.based_on:
        return False
    return (now - estimate.since).total_seconds() > estimate.total[1]
