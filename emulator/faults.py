"""Which call goes wrong, and how: chosen call by call in the prompt, or drawn at random from a seed.

A prompt may hold plans such as `[create: 429, accept-drop]` or `[query: 500*3] [file: cut, changed]`: the first create
call with this prompt is answered 429, the second is accepted and its answer lost, later ones are fine. An asset has no
prompt, so its plan is in the path of its URL: `/samples/fault-omitted/portrait.png`.

Without a plan a seed decides, where one is given. What it decides for a call depends only on the seed, on the prompt or
URL, and on how many such calls came before, so a request that is repeated meets the same faults.
"""

import random
import re
from collections import Counter
from collections.abc import Mapping

NOT_TAKEN = (
    "429",
    "429-retry-after",
    "500",
    "502-html",
    "503",
    "503-retry-after",
    "200-html",
    "garbage",
    "drop",
    "hang",
)
"""Ways to answer any call without taking it."""
REFUSALS = ("401", "402", "403", "404", "code-1001", "status-failed", "id-null")
"""Ways to refuse a call for good."""
ACCEPT = "accept-"
"""Before one of LOST_ANSWERS: the call is taken, and its true answer lost."""
LOST_ANSWERS = ("500", "502-html", "503", "200-html", "garbage", "drop", "hang")
"""What may come instead. Never a 429: that would say that the call was not taken."""

FAULTS: Mapping[str, tuple[str, ...]] = {
    "create": (*NOT_TAKEN, *REFUSALS, *(ACCEPT + name for name in LOST_ANSWERS)),
    "query": (*NOT_TAKEN, *REFUSALS, "unknown-status"),
    "url": ("missing",),
    "file": (
        "drop",
        "cut",
        "truncate",
        "wrong-length",
        "no-range",
        "changed",
        "expire",
        "401",
        "403",
        "404",
        "410",
        "500",
        "drip",
        "empty",
        "html",
        "corrupt",
    ),
    "upload": NOT_TAKEN,
    "states": NOT_TAKEN,
    "asset": ("refused", "omitted", "failed-lookup", "slow", "expired"),
    "render": ("fails",),
}
"""Kind of call -> what can go wrong with it. `url` is the URL in the answer for a completed task."""

_CHAOS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "create": (0.4, (*(name for name in FAULTS["create"] if "hang" not in name and "40" not in name), "accept-hang")),
    "query": (0.2, tuple(name for name in (*NOT_TAKEN, "404", "unknown-status") if name != "hang")),
    "url": (0.1, FAULTS["url"]),
    "file": (0.5, tuple(name for name in FAULTS["file"] if name != "drip")),
    "upload": (0.2, tuple(name for name in NOT_TAKEN if name != "hang")),
    "states": (0.2, tuple(name for name in NOT_TAKEN if name != "hang")),
    "asset": (0.1, FAULTS["asset"]),
    "render": (0.03, FAULTS["render"]),
}
"""Kind of call -> how likely a fault is, and which. What takes minutes each time is left to plans."""
_MOST_IN_A_ROW = 4

_PLAN = re.compile(r"\[(?P<kind>[a-z]+):(?P<faults>[^\]]*)\]")
_ASSET_PLAN = re.compile(r"/fault-(?P<fault>[a-z-]+)/")


class Faults:
    """Decides about one call after the other."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._calls: Counter[tuple[str, str]] = Counter()

    def next(self, kind: str, about: str, words: str) -> str | None:
        """What goes wrong with the next call of this kind about this thing; None when nothing does.

        `words` is the prompt, or whatever else the call holds, in which a plan may stand.
        """
        number = self._calls[kind, about]
        self._calls[kind, about] += 1
        plan = _planned(kind, words)
        if plan is not None:
            return plan[number] if number < len(plan) else None
        if self._seed is None or number >= _MOST_IN_A_ROW:
            return None
        likelihood, choices = _CHAOS[kind]
        chance = random.Random(f"{self._seed} {kind} {words}")  # noqa: S311 - repeatable on purpose
        order = chance.sample(choices, len(choices))
        happens = [chance.random() < likelihood for _ in range(_MOST_IN_A_ROW)]
        return order[number % len(order)] if happens[number] else None


def _planned(kind: str, words: str) -> list[str] | None:
    if kind == "asset":
        match = _ASSET_PLAN.search(words)
        return [match["fault"]] if match and match["fault"] in FAULTS[kind] else None
    plans = [match["faults"] for match in _PLAN.finditer(words) if match["kind"] == kind]
    if not plans:
        return None
    plan: list[str] = []
    for entry in ",".join(plans).split(","):
        name, _, times = entry.strip().partition("*")
        if name in FAULTS[kind]:
            plan += [name] * (int(times) if times.isdigit() else 1)
    return plan
