"""The best moments to ask, for renders whose lengths are known as a whole: by dynamic programming on a grid of time."""

import math
from bisect import bisect_right
from itertools import accumulate

_STEPS = 4000
_BISECTIONS = 18


def best_delay(lengths: list[float], polls: float) -> float:
    """The least mean delay, in seconds, that any schedule fixed beforehand reaches with so many polls a render.

    A price per poll is sought at which the cheapest schedule has that many; between two schedules that straddle it,
    a mixture of both has exactly as many.
    """
    grid = _Grid(sorted(lengths))
    cheap, dear = 1e-4, 1e5
    more, fewer = grid.solve(cheap), grid.solve(dear)
    for _ in range(_BISECTIONS):
        price = math.sqrt(cheap * dear)
        found = grid.solve(price)
        if found[0] > polls:
            cheap, more = price, found
        else:
            dear, fewer = price, found
    if more[0] == fewer[0]:
        return more[1]
    share = (polls - fewer[0]) / (more[0] - fewer[0])
    return fewer[1] + share * (more[1] - fewer[1])


class _Grid:
    def __init__(self, lengths: list[float]) -> None:
        step = max(lengths[-1] / _STEPS, 0.5)
        first = math.floor(lengths[0] / step)
        moments = [0.0, *(i * step for i in range(max(first, 1), math.ceil(lengths[-1] / step) + 1))]
        sums = [0.0, *accumulate(lengths)]
        self._moments = moments
        self._count = len(lengths)
        self._finished = [bisect_right(lengths, moment) for moment in moments]
        self._sums = [sums[finished] for finished in self._finished]

    def solve(self, price: float) -> tuple[float, float]:
        """Polls and seconds of delay, each per render, of the schedule that minimises price x polls + delay."""
        moments, finished, sums = self._moments, self._finished, self._sums
        last = len(moments) - 1
        cost, polls, delay = [0.0] * (last + 1), [0] * (last + 1), [0.0] * (last + 1)
        for i in range(last - 1, -1, -1):
            waiting = self._count - finished[i]
            least, chosen, late = math.inf, last, 0.0
            for j in range(i + 1, last + 1):
                here = moments[j] * (finished[j] - finished[i]) - (sums[j] - sums[i])
                if here >= least:
                    break  # later moments only add delay
                if here + cost[j] < least:
                    least, chosen, late = here + cost[j], j, here
            cost[i] = price * waiting + least
            polls[i], delay[i] = waiting + polls[chosen], late + delay[chosen]
        return polls[0] / self._count, delay[0] / self._count
