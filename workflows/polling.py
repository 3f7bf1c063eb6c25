"""When to ask the provider next: a pure function of what is known. Seconds throughout."""

from dataclasses import dataclass

from manxue.vocabulary import resolution
from workflows.contract import Poll

_EARLIEST = {"720p": 30.0, "1080p": 45.0, "2k": 90.0, "4k": 120.0}
"""Before this nobody has seen a 5-second render of that size finish."""
_INTERVAL, _MAX_INTERVAL = 30.0, 60.0
"""The provider recommends 30 to 60 s and may rate limit faster polling."""
_GROWTH = 1.1
_JITTER = 0.1


@dataclass(frozen=True)
class Cadence:
    """The rhythm of one run's questions."""

    first: float
    """From the accepted submission to the first question."""
    interval: float
    max_interval: float

    def wait(self, polls: int, since_submission: float, random: float, retry_after: float | None = None) -> float:
        """Seconds until the next question, after `polls` of them.

        `random` in [0, 1) spreads runs that were started together. `retry_after` is what the provider asked for;
        it is honoured when it is longer.
        """
        if polls == 0:
            planned = max(self.first - since_submission, 0.0)
        else:
            planned = min(self.interval * _GROWTH ** min(polls - 1, 100), self.max_interval)
        spread = planned * (1 + _JITTER * (2 * random - 1))
        return max(spread, retry_after or 0.0)


def cadence(model: str, duration: int, poll: Poll) -> Cadence:
    """The caller's rhythm, with the provider's recommendation and the model's earliest finish where it is silent."""
    earliest = _EARLIEST.get(resolution(model), _EARLIEST["720p"]) * (0.5 + duration / 10)
    if "_fast_" in model:
        earliest /= 2
    interval = poll.interval.total_seconds() if poll.interval else None
    longest = poll.max_interval.total_seconds() if poll.max_interval else None
    start = interval if interval is not None else min(_INTERVAL, longest or _INTERVAL)
    return Cadence(
        first=poll.first.total_seconds() if poll.first is not None else earliest,
        interval=start,
        max_interval=longest if longest is not None else max(_MAX_INTERVAL, start),
    )
