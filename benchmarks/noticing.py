"""How soon, and by how many polls, a finished render is noticed: the worker's own cadence against simple rhythms."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from random import Random
from statistics import fmean, median, quantiles

from benchmarks.best_schedule import best_delay
from benchmarks.renders import DURATION, SPREADS, Noticed, Render, Rhythm, Spread, watch
from benchmarks.section import Section, table
from manxue.render_times import Observed, RenderTimes, Seen, learn
from workflows.contract import Poll
from workflows.polling import cadence

SEED = 20240607
RENDERS = 2000
"""Of each spread, the same ones for every rhythm."""
_TEACHERS = 100
"""The newest finished runs that teach, as in the worker."""
_LESSONS = 20
"""How many times anew: what was learned depends on chance too."""
_FEW = (2, 10)
_FOR_THE_BEST = 50_000
"""So many that no schedule can fit itself to their accidents."""
WITHIN = 1.3
"""Of the best possible mean delay with the same number of polls."""


@dataclass(frozen=True)
class Figures:
    """Of one rhythm over many renders."""

    polls: float
    mean: float
    median: float
    p95: float

    def cells(self) -> list[str]:
        return [f"{self.polls:.1f}", f"{self.mean:.1f}", f"{self.median:.1f}", f"{self.p95:.1f}"]


def run() -> Section:
    """Simulate all spreads and rhythms."""
    with ProcessPoolExecutor() as processes:
        rows, early, short = zip(*processes.map(_of, SPREADS), strict=True)
    fell_short = list(chain.from_iterable(short))
    return Section(_text(list(chain.from_iterable(rows)), list(chain.from_iterable(early)), fell_short), fell_short)


def _of(spread: Spread) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Its rows in both tables, and what fell short."""
    random = Random(f"{SEED} {spread.name}")
    renders = [spread.draw(random) for _ in range(RENDERS)]
    learned = _figures(_learned(spread, renders, random, _TEACHERS))
    every_30, *others = (_figures([watch(r, rhythm) for r in renders]) for rhythm in _simple(spread, random))
    best = best_delay([spread.draw(random).finished for _ in range(_FOR_THE_BEST)], learned.polls)
    short = [*_short(spread.name, learned, every_30), *_short(f"{spread.name}, no history", others[-1], every_30)]
    if not spread.limit and learned.mean > WITHIN * best:
        short.append(f"{spread.name}: a mean delay within {WITHIN} of the best possible")
    names = ("**learned**", "every 30 s", "every 60 s", "doubling, 5 s to 5 min", "no history")
    rows = [
        [spread.name if figures is learned else "", name, *figures.cells()]
        for name, figures in zip(names, (learned, every_30, *others), strict=True)
    ]
    rows.append(["", f"best with {learned.polls:.1f} polls", f"{learned.polls:.1f}", f"{best:.1f}", "", ""])
    early = []
    for count in _FEW:
        few = _figures(_learned(spread, renders, random, count))
        early.append([spread.name, str(count), *few.cells(), *every_30.cells()[:1], *every_30.cells()[2:]])
    return rows, early, short


def _simple(spread: Spread, random: Random) -> list[Rhythm]:
    """Every 30 s, every 60 s, doubling, and the worker's own without history."""
    return [
        lambda polls, now, seen: 30.0,
        lambda polls, now, seen: 60.0,
        lambda polls, now, seen: min(5.0 * 2 ** min(polls, 10), 300.0),
        _own(spread, None, random),
    ]


def _own(spread: Spread, times: RenderTimes | None, random: Random) -> Rhythm:
    """The worker's, by what it has learned, if anything."""

    def rhythm(polls: int, now: float, seen: Seen) -> float:
        chance = 0.5 if polls else random.random()  # only the first question is left to chance
        return cadence(spread.model, DURATION, Poll(), times, seen).wait(polls, now, chance)

    return rhythm


def _learned(spread: Spread, renders: list[Render], random: Random, teachers: int) -> list[Noticed]:
    """Notice the renders by what others taught, which were noticed in the same way, the first ones untaught."""
    noticed: list[Noticed] = []
    share = len(renders) // _LESSONS
    for lesson in range(_LESSONS):
        finished: list[Observed] = []
        times = RenderTimes()
        # Twice as many, so that the last ones were noticed as the worker notices when it has learned.
        for number in range(2 * teachers if teachers == _TEACHERS else teachers):
            if number < 20 or number % 20 == 0:
                times = learn(finished[-_TEACHERS:], DURATION, "text")
            finished.append(watch(spread.draw(random), _own(spread, times, random)).observed)
        rhythm = _own(spread, learn(finished[-_TEACHERS:], DURATION, "text"), random)
        noticed += [watch(render, rhythm) for render in renders[lesson * share : (lesson + 1) * share]]
    return noticed


def _figures(noticed: list[Noticed]) -> Figures:
    delays = [one.delay for one in noticed]
    return Figures(fmean(n.polls for n in noticed), fmean(delays), median(delays), quantiles(delays, n=20)[-1])


def _short(name: str, ours: Figures, every_30: Figures) -> list[str]:
    reached = {
        "fewer polls than every 30 s": ours.polls < every_30.polls,
        "a shorter median delay than every 30 s": ours.median < every_30.median,
        "a shorter p95 delay than every 30 s": ours.p95 < every_30.p95,
    }
    return [f"{name}: {what}" for what, is_so in reached.items() if not is_so]


def _or(spread: Spread) -> str:
    return "" if spread.or_median is None else f" or {spread.or_median:g} s"


def _text(rows: list[list[str]], early: list[list[str]], short: list[str]) -> str:
    spreads = [
        [s.name, f"{s.queue[0]:g} s", f"{s.queue[1]:g}", f"{s.render[0]:g} s{_or(s)}", f"{s.render[1]:g}"]
        for s in SPREADS
    ]
    limits = "; ".join(f"{spread.name}: {spread.limit}" for spread in SPREADS if spread.limit)
    figures = ["polls", "mean delay", "median", "p95"]
    return f"""\
How long a finished render goes unnoticed, and how often the provider is asked, by simulation in the code that the
worker runs (`manxue/render_times.py`, `workflows/polling.py`). Delays are seconds from the end of the render to the
poll that sees it. {RENDERS} renders of each spread, seed {SEED}, the same renders for every rhythm. What teaches are
{_TEACHERS} runs, noticed by the same rules and so known as intervals between polls only; {_LESSONS} times anew.

Queue and render are lognormal, and independent (assumed: nobody publishes such figures):

{table(["Spread", "queue, median", "sigma", "render, median", "sigma"], spreads)}

To reach, for every spread, with history and without: fewer polls than every 30 s, and a shorter median and p95 delay.
With history also a mean delay within {WITHIN} of the best possible with the same number of polls (not so for {limits}).
{"All reached." if not short else f"Missed: {'; '.join(short)}."}
The best possible is found by dynamic programming from the true lengths. It knows the whole distribution, but fixes its
moments beforehand; the worker also sees when a render leaves the queue, and so can be better.

{table(["Spread", "rhythm", *figures], rows, 2)}

The first runs have few to learn from:

{table(["Spread", "finished runs", *figures, "every 30 s: polls", *figures[2:]], early)}
"""
