"""Keeps everyone informed: the `progress` query, search attributes, and the current details in the Web UI."""

from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError

from activities.finished_runs import RENDER_MEMO
from manxue.failure import FailureDetails
from manxue.redact import capped
from workflows import metrics
from workflows.contract import (
    MEMO_OUTCOME,
    MEMO_SUMMARY,
    MEMO_VIDEO,
    PHASE_SINCE,
    Decision,
    Phase,
    Progress,
    phase_time,
)
from workflows.decision import Place
from workflows.details import details
from workflows.estimate import describe_estimate, estimate_of, eta_of, lesson
from workflows.next_steps import CANCELED
from workflows.run_state import Ending, RunState
from workflows.server_address import server_address
from workflows.user_metadata import summary

_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")
_MODEL = SearchAttributeKey.for_keyword("ManxueModel")
_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_TENANT = SearchAttributeKey.for_keyword("ManxueTenant")
_SINCE = SearchAttributeKey.for_keyword(PHASE_SINCE)
_LONGEST_ATTRIBUTE = 250
"""Characters. The server terminates a workflow whose attribute exceeds 2,048 bytes."""


class Journal:
    """Writes what happens into the state, and shows it."""

    open: bool
    """Whether the run has begun; an update can arrive before."""

    def __init__(self) -> None:
        now = workflow.now()
        self.state = RunState(started_at=workflow.info().workflow_start_time, since=now)
        self.open = False
        self._shown: dict[str, str] = {}

    def resume(self, state: RunState) -> None:
        """Go on where an earlier run of the chain continued as new; its search attributes came along."""
        # An update can be handled before the run begins.
        state.poll_requested = state.poll_requested or self.state.poll_requested
        self.state, self.open = state, True
        self._shown = self._attributes()

    def enter(self, phase: Phase, message: str) -> None:
        """A phase begins."""
        self.open = True
        state = self.state
        state.phase, state.since = phase, workflow.now()
        state.timeline.setdefault(phase, state.since)
        state.decision = state.next_poll_at = None
        self.say(message)

    def say(self, message: str, next_at: datetime | None = None) -> None:
        """What is happening now, as a sentence, and when it goes on at the latest, where that is known."""
        self.state.message, self.state.next_at = message, next_at
        self._show_attributes()

    def meaning_of_cancel(self) -> str:
        """What it means for the money that the run is cancelled now."""
        if self.state.task_id:
            return f"The run was cancelled. Task {self.state.task_id} goes on at the provider and is billed."
        if self.state.outcome_unknown:
            return "The run was cancelled. Nobody knows whether the provider accepted the task; if so, it is billed."
        return "The run was cancelled. Nothing was bought."

    def cancel(self) -> None:
        """The run was cancelled."""
        self.state.ending = Ending(kind=CANCELED)
        self._end(Phase.CANCELED, self.meaning_of_cancel())

    def fail(self, error: ApplicationError) -> None:
        """The run ends without a file; `error` has a type of the contract."""
        problems = FailureDetails.model_validate(error.details[0]).problems if error.details else []
        self.state.ending = Ending(kind=str(error.type), problems=problems)
        self._end(Phase.FAILED, f"{error.type}: {error.message}")

    def complete(self, uri: str) -> None:
        """The file lies at its place, `uri`."""
        self._end(Phase.COMPLETED, f"The video is at {uri}.")

    def _end(self, phase: Phase, message: str) -> None:
        self.enter(phase, message)
        memo: dict[str, Any] = {MEMO_OUTCOME: capped(message)}
        if self.state.video:
            memo[MEMO_VIDEO] = self.state.video.uri
        # Not `workflow.memo`: it fails, and the task for ever, over what a caller has put there in a codec of its own.
        if self.state.request and MEMO_SUMMARY not in workflow.info().raw_memo:
            memo[MEMO_SUMMARY] = summary(self.state.request)
        if taught := lesson(self.state):
            memo[RENDER_MEMO] = taught
        workflow.upsert_memo(memo)
        metrics.run_ended(self.state)

    def ask(self, why: str) -> None:
        """Somebody has to decide."""
        self.enter(Phase.NEEDS_DECISION, f"Nobody knows whether the provider accepted the task: {why}")
        self.state.decision = Decision(asked_at=self.state.since, why=why)

    @property
    def deadline(self) -> datetime:
        """When the render must be finished."""
        return self.state.deadline

    def progress(self, now: datetime) -> Progress:
        """How it stands `now`."""
        state = self.state.as_of(now)
        return Progress(
            phase=state.phase,
            since=state.since,
            task_id=state.task_id,
            provider_status=state.provider_status,
            percent=state.percent,
            eta=eta_of(state, now),
            estimate=estimate_of(state, now),
            polls=state.polls,
            next_poll_at=state.next_poll_at,
            message=state.message,
            decision=state.decision,
            admission=state.turn.place if state.turn else None,
            warnings=state.warnings,
            timeline=state.timeline,
            trouble=state.trouble,
            notifications=state.notifications,
        )

    def _attributes(self) -> dict[str, str]:
        state = self.state
        values = {
            _PHASE.name: state.phase,
            _MODEL.name: state.request.model if state.request else None,
            _TASK_ID.name: state.task_id,
            _TENANT.name: state.given.tenant if state.given else None,
        }
        return {name: str(value)[:_LONGEST_ATTRIBUTE] for name, value in values.items() if value}

    def _show_attributes(self) -> None:
        """One upsert with what has changed: each costs a history event."""
        wanted = self._attributes()
        changed = {name: value for name, value in wanted.items() if self._shown.get(name) != value}
        if changed:
            keys = {key.name: key for key in (_PHASE, _MODEL, _TASK_ID, _TENANT)}
            updates = [keys[name].value_set(value) for name, value in changed.items()]
            if _PHASE.name in changed:  # never by itself: that would be one event more than older runs have
                updates.append(_SINCE.value_set(phase_time(self.state.since)))
            workflow.upsert_search_attributes(updates)
            self._shown = wanted

    def details(self) -> str:
        """The current details."""
        info, now = workflow.info(), time_of_query()
        place = Place(info.workflow_id, info.namespace, server_address())
        estimate = describe_estimate(self.progress(now), now)
        return details(self.state.as_of(now), place, estimate)


def time_of_query() -> datetime:
    """For queries only, which no replay repeats: between two workflow tasks `workflow.now()` stands still."""
    with workflow.unsafe.sandbox_unrestricted():
        return max(datetime.now(UTC), workflow.now())  # noqa: TID251 - see above
