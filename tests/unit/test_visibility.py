"""Values of users in queries of Temporal's visibility."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.visibility import NotSearchable, quoted
from starter.listing import Filter, State

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_value_cannot_get_out_of_its_quotes() -> None:
    assert quoted("x' OR WorkflowId != '") == "'x'' OR WorkflowId != '''"


@pytest.mark.parametrize("value", ['a"b', "a\\", "a\x00", "a\nb"])
def test_a_value_that_no_query_could_find_is_refused(value: str) -> None:
    with pytest.raises(NotSearchable):
        quoted(value)


def test_conditions_are_joined_and_a_phase_counts_only_for_open_runs() -> None:
    wanted = Filter((State.RENDERING, State.TIMED_OUT), tenant="acme", since=timedelta(hours=2), is_open=False)
    assert wanted.query(NOW) == (
        "WorkflowType = 'GenerateVideo' AND ExecutionStatus != 'ContinuedAsNew' AND ManxueTenant = 'acme' AND "
        "((ExecutionStatus = 'Running' AND ManxuePhase = 'rendering') OR ExecutionStatus = 'TimedOut') AND "
        "ExecutionStatus != 'Running' AND StartTime >= '2026-01-31T10:00:00+00:00'"
    )
