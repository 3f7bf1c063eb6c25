"""Who is next: by priority, fair between tenants, first come first served within one."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from workflows.fair_queue import in_order


@dataclass(frozen=True)
class Waiter:
    number: int
    tenant: str
    priority: int
    ticket: float


TENANTS = st.sampled_from("abcd")
QUEUES = st.lists(st.tuples(TENANTS, st.integers(1, 5), st.integers(0, 20)), max_size=60).map(
    lambda rows: [Waiter(n, tenant, priority, float(ticket)) for n, (tenant, priority, ticket) in enumerate(rows)]
)
COUNTS = st.dictionaries(TENANTS, st.integers(0, 10))


def one_priority(queue: list[Waiter]) -> list[Waiter]:
    return [Waiter(w.number, w.tenant, 3, w.ticket) for w in queue]


@given(QUEUES, COUNTS, COUNTS)
def test_everybody_is_served_once_and_nobody_before_a_higher_priority(
    queue: list[Waiter], in_flight: dict[str, int], served: dict[str, int]
) -> None:
    order = list(in_order(queue, in_flight, served))
    assert sorted(w.number for w in order) == sorted(w.number for w in queue)
    assert [w.priority for w in order] == sorted(w.priority for w in queue)


@given(QUEUES, COUNTS, COUNTS)
def test_within_a_tenant_and_priority_it_is_first_come_first_served(
    queue: list[Waiter], in_flight: dict[str, int], served: dict[str, int]
) -> None:
    lines: dict[tuple[str, int], list[float]] = {}
    for waiter in in_order(queue, in_flight, served):
        lines.setdefault((waiter.tenant, waiter.priority), []).append(waiter.ticket)
    assert all(line == sorted(line) for line in lines.values())


@given(QUEUES.map(one_priority), COUNTS, COUNTS)
def test_nobody_is_served_while_another_tenant_that_waits_has_fewer_renders(
    queue: list[Waiter], in_flight: dict[str, int], served: dict[str, int]
) -> None:
    counts, waiting = Counter(in_flight), Counter(w.tenant for w in queue)
    for waiter in in_order(queue, in_flight, served):
        fewest = min(counts[tenant] for tenant, left in waiting.items() if left)
        assert counts[waiter.tenant] == fewest
        counts[waiter.tenant] += 1
        waiting[waiter.tenant] -= 1


@given(QUEUES, COUNTS, COUNTS)
def test_the_place_that_was_told_is_the_order_of_service(
    queue: list[Waiter], in_flight: dict[str, int], served: dict[str, int]
) -> None:
    told = list(in_order(queue, in_flight, served))
    left, counts, last = list(queue), Counter(in_flight), dict(served)
    for expected in told:
        first = next(in_order(left, counts, last))
        assert first == expected
        left.remove(first)
        counts[first.tenant] += 1
        last[first.tenant] = max(last.values(), default=0) + 1


def test_a_modest_tenant_is_next_however_many_a_greedy_one_has_waiting() -> None:
    queue = [Waiter(n, "greedy", 3, float(n)) for n in range(200)]
    queue += [Waiter(200 + n, "modest", 3, 1000.0 + n) for n in range(5)]
    order = list(in_order(queue, {"greedy": 3}, {"greedy": 7}))
    assert [w.tenant for w in order[:3]] == ["modest"] * 3
    assert max(place for place, w in enumerate(order) if w.tenant == "modest") < 8


def test_without_renders_to_count_tenants_take_turns() -> None:
    queue = [Waiter(n, tenant, 3, float(n)) for n, tenant in enumerate("aaaaaabbbc")]
    assert "".join(w.tenant for w in in_order(queue, {}, {"a": 9}))[:3] in ("bca", "cba")
