"""How long renders take: what finished ones teach about the next one. Seconds since the accepted submission throughout.

Nobody sees a render finish: a poll finds it finished, some time after another one did not. So what is known of a
finished render is an interval, and the distribution is found from intervals: each first spreads its weight evenly, and
then some rounds of self-consistency (Turnbull's estimator, 1976) move it to where the other renders say it belongs.
The rounds are few, since the limit is a set of spikes, which no render to come would hit.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from manxue.vocabulary import resolution

LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""The probabilities whose quantiles are kept."""
USUAL = (LEVELS.index(0.1), LEVELS.index(0.9))
"""Where the ends of a usual range are: eight of ten renders lie in it."""
Quantiles = tuple[float, ...]
"""One for each of LEVELS, ascending."""

_EARLIEST = {"720p": 30.0, "1080p": 45.0, "2k": 90.0, "4k": 120.0}
"""Before this nobody has seen a 5-second render of that size finish."""
_LATEST = {"720p": 10.0, "1080p": 10.0, "2k": 20.0, "4k": 60.0}
"""The usual end as a multiple of it: the vendor says minutes, more for 2K and 4K, and hours for 4K under load."""

ENOUGH = 5
"""Finished renders of the same model, duration and mode that say more than all of the model."""
_ROUNDS = 10
_SHORTEST = 0.1
"""Seconds; an interval without length has no density."""
_DOUBT = 0.75
"""Few renders have not shown how different they can be: the extremes move away from the median by this share, over
the root of how many there are."""
_BACK = 0.5
"""A render that was finished at the first question is taken to have needed this share of the time at least."""
_TELLING = 0.5
"""The share of the total within which the end of the queue is known where the two count as told apart."""


def _ascending(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError("an interval must not end before it begins")
    return span


_Moment = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]
Span = Annotated[tuple[_Moment, _Moment], AfterValidator(_ascending)]
"""Not before the first, not after the second."""


class Observed(BaseModel):
    """One finished render, as the polls saw it."""

    duration: int
    """Of the video."""
    mode: str
    left_queue: Span
    finished: Span


class Seen(BaseModel):
    """What polls have seen of a render that is not finished."""

    queued_at: float = 0.0
    """When it was last in the queue."""
    rendering_at: float | None = None
    """When it was first out of the queue."""


class RenderTimes(BaseModel):
    """What is known of renders of a kind. Small, and carried by every run that waits for one."""

    runs: int = 0
    """How many finished renders taught it; with 0 there are no quantiles."""
    level: Literal["alike", "model", "default"] = "default"
    """Whether they were of the same model, duration and mode, or only of the same model."""
    provider: str = ""
    """Tells the provider that they are of from others, such as an emulator."""
    total: Quantiles | None = None
    """From the accepted submission to the finished render."""
    queue: Quantiles | None = None
    """How much of it is spent in the queue; None where the polls cannot tell."""
    render: Quantiles | None = None
    """The rest."""

    def completion(self, seen: Seen) -> Quantiles | None:
        """When a render finishes of which that much has been seen.

        One that is still queued has a whole render before it. One whose queue is over is predicted from there, where
        that is more precise than what is known of the total.
        """
        if self.total is None or self.render is None:
            return self.total
        if seen.rendering_at is None and not seen.queued_at:
            return self.total
        if seen.rendering_at is None:
            return tuple(max(total, seen.queued_at + r) for total, r in zip(self.total, self.render, strict=True))
        doubt = seen.rendering_at - seen.queued_at
        if doubt + _spread(self.render) >= _spread(self.total):
            return self.total
        left_queue = (seen.queued_at + seen.rendering_at) / 2
        return tuple(left_queue + r for r in self.render)


def earliest(model: str, duration: int) -> float:
    """Before this it is no use to ask, when nothing has been learned."""
    seconds = _EARLIEST.get(resolution(model), _EARLIEST["720p"]) * (0.5 + duration / 10)
    return seconds / 2 if "_fast_" in model else seconds


def presumed(model: str, duration: int) -> tuple[float, float]:
    """How long a render usually takes, in all, when nothing has been learned."""
    first = earliest(model, duration)
    return first, first * _LATEST.get(resolution(model), _LATEST["4k"])


def learn(finished: Iterable[Observed], duration: int, mode: str, provider: str = "") -> RenderTimes:
    """What finished renders of one model teach about the next one of that duration and mode."""
    same_model = list(finished)
    alike = [render for render in same_model if (render.duration, render.mode) == (duration, mode)]
    taught_by = alike if len(alike) >= min(ENOUGH, len(same_model)) else same_model
    if not taught_by:
        return RenderTimes(provider=provider)
    # By all or by none: the polls of long renders tell more, and choosing those would teach that renders are long.
    unknown = median(r.left_queue[1] - r.left_queue[0] for r in taught_by)
    told_apart = unknown <= _TELLING * median(r.finished[1] for r in taught_by)
    return RenderTimes(
        runs=len(taught_by),
        level="alike" if taught_by is alike else "model",
        provider=provider,
        total=quantiles([r.finished for r in taught_by]),
        queue=quantiles([r.left_queue for r in taught_by]) if told_apart else None,
        render=quantiles([_rendered(r) for r in taught_by]) if told_apart else None,
    )


def quantiles(spans: list[tuple[float, float]]) -> Quantiles:
    """The quantiles, at LEVELS, of what is known as intervals only. At least one interval."""
    spans = [(low or high * _BACK, max(high, low + _SHORTEST)) for low, high in spans]
    edges = sorted({edge for span in spans for edge in span})
    place = {edge: i for i, edge in enumerate(edges)}
    reached = [0.0, *accumulate(_consistent(edges, [(place[low], place[high]) for low, high in spans]))]
    doubt = _DOUBT / math.sqrt(len(spans) + 1)
    found = (interpolated(reached, edges, level * reached[-1]) for level in LEVELS)
    return tuple(round(moment * (1 + doubt * (2 * level - 1)), 1) for level, moment in zip(LEVELS, found, strict=True))


def interpolated(known: Sequence[float], values: Sequence[float], at: float) -> float:
    """The value at `at`, linear between known ones, and the outermost value beyond them. `known` is ascending."""
    i = bisect_right(known, at)
    if i in (0, len(known)):
        return values[min(i, len(known) - 1)]
    share = (at - known[i - 1]) / (known[i] - known[i - 1])
    return values[i - 1] + (values[i] - values[i - 1]) * share


def _consistent(edges: list[float], cells: list[tuple[int, int]]) -> list[float]:
    """The probability of each cell between neighbouring edges."""
    widths = [b - a for a, b in pairwise(edges)]
    mass, weights = [0.0] * len(widths), widths
    for _ in range(1 + _ROUNDS):
        mass = [0.0] * len(widths)
        for first, last in cells:
            share = 1 / (len(cells) * (sum(weights[first:last]) or 1.0))
            for cell in range(first, last):
                mass[cell] += weights[cell] * share
        weights = mass
    return mass


def _rendered(render: Observed) -> tuple[float, float]:
    return (
        max(render.finished[0] - render.left_queue[1], 0.0),
        max(render.finished[1] - render.left_queue[0], 0.0),
    )


def _spread(known: Quantiles) -> float:
    return known[LEVELS.index(0.95)] - known[LEVELS.index(0.05)]
