"""When to ask the provider next: a pure function of what is known. Seconds throughout.

Without history: not before a render of that model and length could be done since it was last seen in the queue, then
every 28.9 s, so that what the silence saves lets the end be noticed sooner than by asking every 30 s, by fewer
questions. Towards the end of what is presumed the waits begin to grow with the root of the time, to 60 s, which suits
a render of which any length is as likely as its double.

With history the questions go where the render is likely to finish. The best schedule, for what a question costs
against a second of delay, asks at a rate proportional to the square root of the hazard, which is the chance that a
render that is not finished yet finishes now (J. B. Keller, "Optimum checking schedules for systems subject to random
failure", Management Science 21, 1974). The price is chosen so that the wait is

    30 s / sqrt(hazard x mean)

For a render whose past says nothing about its rest (an exponential distribution) hazard x mean is 1 everywhere, so it
is asked about every 30 s, as the provider recommends. By the Cauchy-Schwarz inequality any other distribution is asked
about less often in all than that, and its end is noticed sooner, both by the same factor. So the recommendation is
kept as what it is for, a limit to sustained load, and what early silence saves is spent near the likely end, where
questions come as often as every 10 s, but no more often.

A second matters less of a longer render: from 5 min on the 30 s grow with the root of the mean, to 45 s at 11 min.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from manxue.render_times import LEVELS, Quantiles, RenderTimes, Seen, earliest, interpolated, presumed
from workflows.contract import Poll

_INTERVAL, _MAX_INTERVAL = 30.0, 60.0
"""The provider recommends 30 to 60 s and may rate limit faster polling."""
_GROWTH = 1.1
_UNTAUGHT = 28.9
"""Between questions where nothing was learned."""
_UNTAUGHT_FIRST, _UNTAUGHT_SILENCE = 1.5, 35.0
"""When to ask first then: a multiple of the earliest end that was ever seen, and no sooner than so many seconds."""
_UNTAUGHT_GROWS, _UNTAUGHT_STEADY = 0.75, 900.0
"""From when the waits grow then: a share of the latest usual end, and no sooner than so many seconds."""
_LONG, _MOST_PATIENCE = 300.0, 1.5
"""The mean of renders from which questions become rarer, and how much at most."""
_JITTER = 0.1
_MOST_LATER = 60.0
"""Than the provider asked for."""

_SHORTEST = 10.0
"""Between two questions that history placed."""
_LONGEST_WHERE_LIKELY = 28.0
"""Between the lowest and the highest quantile: what is rare counts as well. Before the lowest, where only presumption
speaks, it is the shortest."""
_FIRST = 1.2
"""How many questions' worth of hazard lies before the first one: what is rare and early is worth a little less."""
_SPREAD = 10.0
"""The most by which chance moves a question that history placed."""
_OVERDUE_SHARE = 1 / 60
"""Of the time since the submission: how long the wait of a render that is long overdue may grow beyond 60 s."""


@dataclass(frozen=True)
class Likelihood:
    """How densely to ask, from what finished renders took."""

    edges: tuple[float, ...]
    density: tuple[float, ...]
    """Questions a second between neighbouring edges."""

    def next(self, asked_at: float, due: float = 1.0) -> float:
        """The moment of the next question after one at `asked_at`, when so much of the density has passed."""
        for (start, end), density in zip(pairwise(self.edges), self.density, strict=True):
            start = max(start, asked_at)  # noqa: PLW2901 - the part that lies ahead
            if end <= start:
                continue
            if (end - start) * density >= due:
                return max(start + due / density, asked_at + _SHORTEST)
            due -= (end - start) * density
        start = max(self.edges[-1], asked_at)
        return max(start + due * self._overdue_wait(start), asked_at + _SHORTEST)

    def _overdue_wait(self, now: float) -> float:
        """Beyond all experience: at first as before, and the longer overdue, the longer."""
        usual = max(self.edges[-1] - self.edges[0], _INTERVAL)
        growing = _INTERVAL * (now - self.edges[-1]) / usual
        return min(max(growing, _LONGEST_WHERE_LIKELY), max(_MAX_INTERVAL, now * _OVERDUE_SHARE))


@dataclass(frozen=True)
class Presumption:
    """When to ask while nothing was learned."""

    queued_at: float
    """When the render was last in the queue."""
    ready: float
    """The earliest end that is worth a question."""
    grows_after: float
    """From when in the queue to when the waits begin to grow."""

    def wait(self, now: float, longest: float) -> float:
        """Until the next question."""
        grown = _UNTAUGHT * math.sqrt(max((now - self.queued_at) / self.grows_after, 1.0))
        return max(min(grown, longest), self.ready - now)


@dataclass(frozen=True)
class Cadence:
    """The rhythm of one run's questions."""

    first: float | None
    """From the accepted submission to the first question; None where the caller does not say."""
    interval: float | None
    """Between questions at first; None where the caller does not say."""
    max_interval: float
    expected: Likelihood | Presumption
    """What places the others."""

    def wait(self, polls: int, since_submission: float, random: float, retry_after: float | None = None) -> float:
        """Seconds until the next question, after `polls` of them.

        `random` in [0, 1) spreads runs that were started together. `retry_after` is what the provider asked for;
        it is honoured when it is longer, and spread too: many may have been asked to wait until the same moment.
        """
        given = self.first if polls == 0 else self.interval
        if given is not None:
            growing = min(given * _GROWTH ** min(polls - 1, 100), self.max_interval)
            planned = growing if polls else max(given - since_submission, 0.0)
            spread = planned * (1 + _JITTER * (2 * random - 1))
        elif isinstance(self.expected, Presumption):
            spread = self.expected.wait(since_submission, self.max_interval) * (1 + _JITTER * (2 * random - 1))
        else:
            planned = self.expected.next(since_submission, 1.0 if polls else _FIRST) - since_submission
            spread = max(planned + min(planned * _JITTER, _SPREAD) * (2 * random - 1), _SHORTEST)
        asked_for = max(retry_after or 0.0, 0.0)
        return max(spread, asked_for + min(asked_for * _JITTER, _MOST_LATER) * random)


def cadence(
    model: str, duration: int, poll: Poll, times: RenderTimes | None = None, seen: Seen | None = None
) -> Cadence:
    """The caller's rhythm; where it is silent, what history says, or else the documented defaults.

    `seen` is what polls have seen of this render so far; None where it is not known when it was accepted.
    """
    first, interval, longest = (
        value.total_seconds() if value is not None else None for value in (poll.first, poll.interval, poll.max_interval)
    )
    expected = times.completion(seen or Seen()) if times else None
    if interval is None and longest is not None:
        interval = min(_INTERVAL, longest)
    longest = longest if longest is not None else max(_MAX_INTERVAL, interval or 0.0)
    placed = (
        _likelihood(expected, times.runs, presumed(model, duration))
        if times and expected
        else _presumption(model, duration, seen)
    )
    return Cadence(first, interval, longest, placed)


def _presumption(model: str, duration: int, seen: Seen | None) -> Presumption:
    queued_at = seen.queued_at if seen else 0.0
    silence = max(_UNTAUGHT_FIRST * earliest(model, duration), _UNTAUGHT_SILENCE)
    steady = max(_UNTAUGHT_GROWS * presumed(model, duration)[1], _UNTAUGHT_STEADY)
    return Presumption(queued_at, queued_at + silence if seen else 0.0, steady)


def _likelihood(expected: Quantiles, runs: int, presumed_total: tuple[float, float]) -> Likelihood:
    """What was learned counts as `runs` renders and what was presumed as one more: few renders can mislead."""
    lowest = max(expected[0] - (expected[2] - expected[0]) / 2, 0.0)
    learned_at = _distinct((lowest, *expected))
    presumed_at, presumably = _presumable(*presumed_total, learned_at[-1])
    edges = sorted({*learned_at, *(moment for moment in presumed_at if moment < learned_at[-1])})
    reached = [
        (runs * interpolated(learned_at, (0.0, *LEVELS), edge) + interpolated(presumed_at, presumably, edge))
        / (runs + 1)
        for edge in edges
    ]
    mean = _mean(expected)
    interval = _INTERVAL * min(max(math.sqrt(mean / _LONG), 1.0), _MOST_PATIENCE)
    density = []
    for (start, end), (before, after) in zip(pairwise(edges), pairwise(reached), strict=True):
        hazard = (after - before) / (end - start) / (1 - (before + after) / 2)
        dense = math.sqrt(hazard * mean) / interval
        if end <= learned_at[0]:
            dense = min(dense, 1 / _LONGEST_WHERE_LIKELY)
        elif start >= learned_at[1]:
            dense = max(dense, 1 / _LONGEST_WHERE_LIKELY)
        density.append(dense)
    return Likelihood(tuple(edges), tuple(density))


_STEPS = 9
"""Equally likely parts of what is presumed, the last of which lies beyond its usual end."""


def _presumable(low: float, high: float, until: float) -> tuple[Sequence[float], Sequence[float]]:
    """Moments, and how likely a render of which nothing was learned is finished by then.

    Between `low` and `high` any length is as likely as its double. Half of what is not finished then is finished by the
    double of the time, and so on: with an end that is certain nobody would ask from there to what was learned, which
    is hours where one render took hours for once.
    """
    moments = [low * (high / low) ** (step / (_STEPS - 1)) for step in range(_STEPS)]
    finished = [step / _STEPS for step in range(_STEPS)]
    while moments[-1] < until:
        moments.append(2 * moments[-1])
        finished.append((1 + finished[-1]) / 2)
    return moments, finished


def _distinct(moments: Quantiles) -> tuple[float, ...]:
    """Strictly ascending, a tenth of a second apart at least."""
    apart: list[float] = []
    for moment in moments:
        apart.append(max(moment, apart[-1] + 0.1) if apart else moment)
    return tuple(apart)


def _mean(expected: Quantiles) -> float:
    points = [(0.0, expected[0]), *zip(LEVELS, expected, strict=True), (1.0, expected[-1])]
    return sum((after - before) * (low + high) / 2 for (before, low), (after, high) in pairwise(points))
