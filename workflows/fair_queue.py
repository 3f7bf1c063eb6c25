"""In which order those who wait are served: a pure function.

By priority first, 1 before 5. Within a priority the tenant with the fewest renders in flight comes next, and of equals
the one that was served longest ago; so a tenant who asks seldom is served at once, however many another one has
waiting. Within a tenant first come, first served.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """What the order depends on."""

    @property
    def tenant(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def ticket(self) -> float:
        """When it began to wait."""


W = TypeVar("W", bound=Waiting)


def in_order(waiting: Iterable[W], in_flight: Mapping[str, int], served: Mapping[str, int]) -> Iterator[W]:
    """All of them, the next one first, as if nothing came in and no render ended meanwhile.

    `in_flight` counts each tenant's renders; `served` holds growing numbers that say who was served when.
    """
    queues: dict[int, dict[str, deque[W]]] = {}
    for waiter in sorted(waiting, key=lambda waiter: waiter.ticket):
        queues.setdefault(waiter.priority, {}).setdefault(waiter.tenant, deque()).append(waiter)
    counts, last = dict(in_flight), dict(served)
    turn = max(last.values(), default=0)
    for _, tenants in sorted(queues.items()):
        heap = [(counts.get(name, 0), last.get(name, 0), queue[0].ticket, name) for name, queue in tenants.items()]
        heapify(heap)
        while heap:
            count, _, _, name = heappop(heap)
            turn += 1
            counts[name], last[name] = count + 1, turn
            queue = tenants[name]
            yield queue.popleft()
            if queue:
                heappush(heap, (count + 1, turn, queue[0].ticket, name))
