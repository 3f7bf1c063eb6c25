"""The decisions of the execution that admits renders: limits, slots, rates, repeated and late messages."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from manxue.admission import Admitted, Ask, Leave, Limits
from workflows.admission_state import MOST_BYTES, MOST_WAITING, UNKNOWN_PATIENCE, AdmissionState, Grant
from workflows.token_bucket import TokenBucket, burst

TWO = Limits(max_in_flight=2)


def ask(name: str, ticket: float = 0.0, number: int = 1, limits: Limits = TWO, tenant: str = "") -> Ask:
    return Ask(workflow_id=name, ticket=ticket, number=number, limits=limits, tenant=tenant)


def full(*names: str, limits: Limits = TWO) -> AdmissionState:
    """Everybody has asked, in that order, and those for whom there is room were admitted."""
    state = AdmissionState()
    for ticket, name in enumerate(names):
        state.ask(ask(name, float(ticket), limits=limits), 0.0)
    state.admit(0.0, 100)
    return state


def admitted(state: AdmissionState, now: float = 1.0) -> list[str]:
    return [grant.workflow_id for grant in state.admit(now, 100)]


def test_a_slot_goes_to_the_next_when_it_is_left_and_repeating_that_changes_nothing() -> None:
    state = full("a", "b", "c", "d")
    for _ in range(2):
        state.leave(Leave(workflow_id="a", ticket=0.0), 1.0)
    assert admitted(state) == ["c"]
    assert list(state.holders) == ["b", "c"]


def test_asking_again_neither_moves_nor_doubles_and_tells_the_admitted_again() -> None:
    state = full("a", "b", "c", "d")
    assert state.ask(ask("c", 2.0), 5.0) is None
    grant = state.ask(ask("a", 0.0), 5.0)
    assert grant
    assert (grant.workflow_id, grant.admitted.number) == ("a", 1)
    assert [entry[0] for entry in state.queue(datetime.now(UTC)).waiting] == ["c", "d"]


def test_what_an_earlier_run_of_the_workflow_id_says_does_not_concern_the_later_one() -> None:
    state = full("a", "b", "c")
    state.ask(ask("a", 7.0), 7.0)
    state.leave(Leave(workflow_id="a", ticket=0.0), 8.0)
    assert admitted(state) == ["a"]  # in the slot that its workflow id has
    assert len(state.holders) == 2


def test_a_slot_is_kept_for_a_render_that_nobody_waits_for() -> None:
    state = full("a", "b", "c")
    state.leave(Leave(workflow_id="a", ticket=0.0, task_id="task-1"), 1.0)
    state.leave(Leave(workflow_id="b", ticket=1.0, unknown=True), 1.0)
    assert admitted(state) == []
    state.expire(1.0 + UNKNOWN_PATIENCE)
    assert admitted(state) == ["c"]
    assert [slot.task_id for slot in state.overview().in_flight] == ["task-1", None]


def test_the_newest_limits_count_and_lower_ones_take_nothing_away() -> None:
    state = full("a", "b", "c", "d", limits=Limits(max_in_flight=3))
    assert list(state.holders) == ["a", "b", "c"]
    state.ask(ask("e", 4.0, limits=Limits(max_in_flight=1)), 1.0)
    for gone, expected in (("a", []), ("b", []), ("c", ["d"])):
        state.leave(Leave(workflow_id=gone, ticket="abc".index(gone)), 1.0)
        assert admitted(state) == expected
    state.ask(ask("f", 5.0, limits=Limits()), 1.0)
    assert admitted(state) == ["e", "f"]


def test_a_second_create_call_keeps_its_slot_and_waits_for_the_rate_alone_before_all_others() -> None:
    limits = Limits(max_in_flight=1, submits_per_second=1.0)
    state = full("a", "b", limits=limits)
    state.ask(ask("a", 0.0, number=2, limits=limits), 0.1)
    assert admitted(state, 0.1) == []
    assert state.wait_for_rate(0.1) is not None
    assert admitted(state, 1.1) == ["a"]
    assert list(state.holders) == ["a"]


def test_where_only_the_rate_is_limited_nobody_holds_anything() -> None:
    state = full("a", "b", "c", limits=Limits(submits_per_second=1.0))
    assert (list(state.holders), len(state.waiting)) == ([], 2)


def test_the_queue_is_bounded_and_a_tenant_that_fills_it_keeps_no_other_out() -> None:
    state = full("a", "b")
    for number in range(MOST_WAITING + 5):
        state.ask(ask(f"r{number}", 10.0 + number, tenant="greedy"), 0.0)
    state.drop()
    assert len(state.waiting) == MOST_WAITING
    state.ask(ask("m", 9e9, tenant="modest"), 1.0)
    state.drop()
    assert len(state.waiting) == MOST_WAITING
    assert f"r{MOST_WAITING - 1}" not in state.waiting  # the last of those; it asks again
    state.leave(Leave(workflow_id="a", ticket=0.0), 1.0)
    state.leave(Leave(workflow_id="b", ticket=1.0), 1.0)
    assert admitted(state) == ["r0", "m"]


def test_nobody_is_asked_to_give_way_by_a_tenant_that_has_as_many() -> None:
    state = full("a", "b")
    for number in range(MOST_WAITING):
        state.ask(ask(f"r{number}", float(number), tenant="ab"[number % 2]), 0.0)
    for number in range(MOST_WAITING):
        state.ask(ask(f"s{number}", 1e9 + number, tenant="ab"[number % 2]), 0.0)
    state.drop()
    assert state.waiting.keys() == {f"r{number}" for number in range(MOST_WAITING)}


def test_long_workflow_ids_make_no_state_that_is_too_large_to_be_carried_over() -> None:
    state = full("a", "b")
    for number in range(MOST_WAITING):
        state.ask(ask(f"{number:04}" + "ä" * 300, 10.0 + number, tenant="ä" * 32), 0.0)
    state.drop()
    assert 500 < len(state.waiting) < MOST_WAITING
    assert len(state.model_dump_json().encode()) < MOST_BYTES
    assert next(iter(state.waiting)).startswith("0000")


def test_it_survives_the_way_through_json() -> None:
    state = full("a", "b", "c", "d")
    state.leave(Leave(workflow_id="b", ticket=1.0, task_id="task-1"), 1.0)
    again = AdmissionState.model_validate_json(state.model_dump_json())
    assert again == state


NAMES = st.sampled_from([f"r{n}" for n in range(8)])
MESSAGES = st.lists(
    st.one_of(
        st.builds(ask, NAMES, st.sampled_from([1.0, 2.0]), st.integers(1, 3), tenant=st.sampled_from("ab")),
        st.builds(Leave, workflow_id=NAMES, ticket=st.sampled_from([1.0, 2.0]), unknown=st.booleans()),
    ),
    max_size=40,
)


@given(MESSAGES)
def test_whatever_comes_in_whatever_order_the_limit_holds_and_no_free_slot_stays_empty(
    messages: list[Ask | Leave],
) -> None:
    state = AdmissionState(limits=TWO)
    for now, message in enumerate(messages):
        if isinstance(message, Ask):
            state.ask(message, float(now))
        else:
            state.leave(message, float(now))
        state.admit(float(now), 100)
        assert len(state.holders) <= 2
        assert len(state.holders) == 2 or not state.waiting


@given(st.floats(0.01, 50), st.lists(st.floats(0, 3), max_size=80))
def test_in_no_window_are_more_calls_than_the_rate_and_the_burst(rate: float, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(), 1.0, list[float]()
    for pause in pauses:
        now += pause
        if bucket.take(rate, now):
            taken.append(now)
        else:
            assert bucket.wait(rate, now) > 0
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst(rate) + rate * (taken[last] - begin) + 1e-6


def test_a_clock_that_is_set_back_stops_no_create_calls() -> None:
    bucket = TokenBucket()
    assert bucket.take(1.0, 10_000.0)
    assert not bucket.take(1.0, 5_000.0)
    assert bucket.take(1.0, 5_001.0)


def test_who_was_told_again_gives_nothing_back() -> None:
    limits = Limits(max_in_flight=2, submits_per_second=1.0)
    state = full("a", "b", limits=limits)
    again = state.ask(ask("a", 0.0, limits=limits), 0.0)
    assert again
    state.unused(again, 0.0)
    assert admitted(state, 0.0) == []
    state.unused(Grant("a", Admitted(ticket=0.0, number=1)), 0.0)
    assert admitted(state, 0.0) == ["b"]
