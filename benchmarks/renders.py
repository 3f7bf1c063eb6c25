"""Renders to try a rhythm of questions on: how long they queue and render, and what each question would see."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from manxue.render_times import Observed, Seen

DURATION = 5
"""Seconds of video."""


@dataclass(frozen=True)
class Spread:
    """How long renders of a model take: queue and render are lognormal, each by its median and the sigma of its log."""

    name: str
    model: str
    queue: tuple[float, float]
    render: tuple[float, float]
    or_median: float | None = None
    """Of every other render, where there are two kinds."""
    limit: str = ""
    """Why the best possible is not to be reached here; empty where it is."""

    def draw(self, random: Random) -> "Render":
        """One render."""
        median, sigma = self.render
        if self.or_median is not None and random.random() < 0.5:
            median = self.or_median
        queue = self.queue[0] * math.exp(self.queue[1] * random.gauss(0, 1))
        return Render(queue, queue + median * math.exp(sigma * random.gauss(0, 1)))


SPREADS = (
    Spread("fast 720p", "sd2_manxue_fast_720p", (8, 0.8), (60, 0.2)),
    Spread("720p", "sd2_manxue_720p", (10, 0.8), (120, 0.2)),
    Spread("1080p", "sd2_manxue_1080p", (15, 0.8), (240, 0.25)),
    Spread("2k", "sd2_manxue_2k", (40, 0.8), (600, 0.25)),
    Spread("4k", "sd2_manxue_4k", (120, 1.0), (1800, 0.3)),
    Spread("4k, long queue", "sd2_manxue_4k", (3600, 0.7), (2400, 0.3)),
    Spread("hardly predictable", "sd2_manxue_1080p", (1, 0.1), (180, 0.7)),
    Spread("narrow", "sd2_manxue_1080p", (5, 0.5), (300, 0.08), limit="the best asks more often than every 10 s"),
    Spread("two kinds", "sd2_manxue_720p", (10, 0.5), (90, 0.15), 400, "the worker asks between the two kinds as well"),
)
"""Assumptions, since nobody publishes such figures: the medians of minutes to hours that the vendor speaks of, and
spreads from narrow to so wide that the past says little."""


@dataclass(frozen=True)
class Render:
    """One render. Seconds since its submission."""

    out_of_queue: float
    finished: float


@dataclass(frozen=True)
class Noticed:
    """How a render was noticed."""

    polls: int
    delay: float
    """Seconds from its end to the poll that saw it."""
    observed: Observed


Rhythm = Callable[[int, float, Seen], float]
"""Seconds to wait after so many polls, so many seconds after the submission, with what was seen so far."""


def watch(render: Render, rhythm: Rhythm) -> Noticed:
    """Ask in that rhythm until the render is finished."""
    now, polls, unfinished, seen = 0.0, 0, 0.0, Seen()
    while True:
        now += rhythm(polls, now, seen)
        polls += 1
        if now >= render.finished:
            out = now if seen.rendering_at is None else seen.rendering_at
            observed = Observed(
                duration=DURATION, mode="text", left_queue=(seen.queued_at, out), finished=(unfinished, now)
            )
            return Noticed(polls, now - render.finished, observed)
        unfinished = now
        if now < render.out_of_queue:
            seen = Seen(queued_at=now)
        elif seen.rendering_at is None:
            seen = Seen(queued_at=seen.queued_at, rendering_at=now)
