"""What workflows measure. The SDK's meter drops what is recorded while history is replayed, so a thing counts once.

Here is what must be counted by whoever is alive: the end of a run, and a create call whose worker died. What happens
within one attempt of an activity is measured there. Continued runs carry their state along and count once as well. The
end of a run that was reset is counted under `reset="true"`, since it did end again, but no times are measured: what
lies before the reset was measured by the run that it was reset from. Further metrics are further functions here.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import MetricCounter

from manxue.failure import FailureType
from manxue.vocabulary import MODELS, VIDEO_MODELS
from workflows.contract import Phase
from workflows.next_steps import CANCELED
from workflows.run_state import RunState

_MODELS = frozenset((*MODELS, *VIDEO_MODELS))
_OUTCOMES = {**{str(kind): str(kind) for kind in FailureType}, CANCELED: "canceled"}
CREATE_OUTCOMES = ("accepted", "not_accepted", "refused", "unknown")
_OTHER = "other"
"""Of what callers may choose at will: the number of series must not be theirs to choose."""


def run_checked(state: RunState) -> None:
    """A run begins in earnest. Rates need a series before its first event, so all that can become of it begin at 0."""
    runs, creates = _runs(), _creates()
    for outcome in ("completed", *_OUTCOMES.values()):
        runs.add(0, _ended_as(state, outcome))
    for outcome in CREATE_OUTCOMES:
        creates.add(0, {"model": _model(state), "outcome": outcome})


def run_ended(state: RunState) -> None:
    """A run of `GenerateVideo` has ended, with a file or without."""
    outcome = _OUTCOMES.get(state.ending.kind, _OTHER) if state.ending else "completed"
    _runs().add(1, _ended_as(state, outcome))
    if state.video and state.submitted_at and state.finished_at is not None:
        done = state.submitted_at + timedelta(seconds=state.finished_at)
        what = "From the poll that found the render finished to the verified file at its place"
        delivered = state.timeline.get(Phase.NOTIFYING, workflow.now())
        _seconds("manxue_delivery", what, state, (delivered - done).total_seconds())


def render_finished(state: RunState) -> None:
    """A poll has found the render finished."""
    if not _is_reset():
        polls = workflow.metric_meter().create_histogram("manxue_polls_per_render", "Polls until a render was finished")
        polls.record(state.polls, {"model": _model(state)})
    if state.accepted_earlier or state.finished_at is None:
        return  # nobody knows since when the provider has had it
    _seconds("manxue_completion", "From the accepted order to the finished render", state, state.finished_at)
    if (left_queue := state.seen.rendering_at) is not None:
        _seconds("manxue_queue", "In the provider's queue, as polls saw it", state, left_queue)
        _seconds(
            "manxue_render", "From queue to finished render, as polls saw it", state, state.finished_at - left_queue
        )


def create_ended(state: RunState, outcome: str) -> None:
    """One of CREATE_OUTCOMES became of a create call; a worker's death in the middle of it is seen here as well."""
    _creates().add(1, {"model": _model(state), "outcome": outcome})


def decided(action: str, waited: timedelta) -> None:
    """Somebody decided about an unknown submission."""
    what = "How long runs waited for the decision about an unknown submission"
    workflow.metric_meter().create_histogram_timedelta("manxue_decision", what, "seconds").record(
        waited, {"action": action}
    )


def review_ended(verdict: str, kind: str, took: timedelta) -> None:
    """The provider's review of an asset has come to its verdict, or to none."""
    what = "From the first request for an asset's review to its verdict"
    histogram = workflow.metric_meter().create_histogram_timedelta("manxue_review", what, "seconds")
    histogram.record(took, {"verdict": verdict, "kind": kind})


def _runs() -> MetricCounter:
    return workflow.metric_meter().create_counter("manxue_runs", "Runs that ended, by how")


def _creates() -> MetricCounter:
    return workflow.metric_meter().create_counter("manxue_creates", "Create calls, by what became of them")


def _ended_as(state: RunState, outcome: str) -> dict[str, str | int | float | bool]:
    return {"model": _model(state), "outcome": outcome, "reset": "true" if _is_reset() else "false"}


def _seconds(name: str, description: str, state: RunState, seconds: float) -> None:
    if not _is_reset():
        histogram = workflow.metric_meter().create_histogram_timedelta(name, description, "seconds")
        histogram.record(timedelta(seconds=max(seconds, 0.0)), {"model": _model(state)})


def _model(state: RunState) -> str:
    if state.request is None:
        return "none"
    return state.request.model if state.request.model in _MODELS else _OTHER


def _is_reset() -> bool:
    info = workflow.info()
    return info.original_execution_run_id != info.run_id
