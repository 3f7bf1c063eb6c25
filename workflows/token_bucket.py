"""How many create calls a second: a token bucket that holds what one second brings, and one call at least."""

from pydantic import BaseModel

_ROUNDING = 1e-9


class TokenBucket(BaseModel):
    """Full at first. Times are Unix seconds, rates calls per second; None is no limit."""

    tokens: float | None = None
    """At `at`; None while it is full."""
    at: float = 0.0

    def take(self, rate: float | None, now: float) -> bool:
        """Take one, if there is one."""
        if rate is None:
            return True
        self.at = min(self.at, now)  # else a clock that was set back by an hour would bring nothing for an hour
        held = self._held(rate, now)
        if held < 1 - _ROUNDING:
            return False
        self.tokens, self.at = held - 1, now
        return True

    def give_back(self, rate: float | None, now: float) -> None:
        """One that was taken for a call that nobody sends."""
        if rate is not None and self.tokens is not None:
            self.tokens, self.at = min(self._held(rate, now) + 1, burst(rate)), now

    def wait(self, rate: float | None, now: float) -> float:
        """Seconds until there is one."""
        return 0.0 if rate is None else max(1 - self._held(rate, now), 0.0) / rate

    def _held(self, rate: float, now: float) -> float:
        most = burst(rate)
        return most if self.tokens is None else min(self.tokens + max(now - self.at, 0.0) * rate, most)


def burst(rate: float) -> float:
    """How many may go at once after a pause."""
    return max(float(int(rate)), 1.0)
