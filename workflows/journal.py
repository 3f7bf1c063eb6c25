"""Keeps everyone informed: the `progress` query, search attributes, and the current details in the Web UI."""

import shlex
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.contract import Decision, Phase, Progress
from workflows.run_state import RunState

_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")
_MODEL = SearchAttributeKey.for_keyword("ManxueModel")
_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_TENANT = SearchAttributeKey.for_keyword("ManxueTenant")
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
        self._show_details()

    def enter(self, phase: Phase, message: str) -> None:
        """A phase begins."""
        self.open = True
        state = self.state
        state.phase, state.since = phase, workflow.now()
        state.timeline.setdefault(phase, state.since)
        state.decision = state.next_poll_at = None
        self.say(message)

    def say(self, message: str) -> None:
        """What is happening now, as a sentence."""
        self.state.message = message
        self._show_attributes()
        self._show_details()

    def cancel(self) -> None:
        """The run was cancelled: say what that means for the money."""
        state = self.state
        message = "The run was cancelled. Nothing was bought."
        if state.task_id:
            message = f"The run was cancelled. Task {state.task_id} goes on at the provider and is billed."
        elif state.outcome_unknown:
            message = "The run was cancelled. Nobody knows whether the provider accepted the task; if so, it is billed."
        self.enter(Phase.CANCELED, message)
        workflow.upsert_memo({"outcome": message})

    def ask(self, why: str) -> None:
        """Somebody has to decide."""
        self.enter(Phase.NEEDS_DECISION, f"Nobody knows whether the provider accepted the task: {why}")
        self.state.decision = Decision(asked_at=self.state.since, why=why)
        self._show_details()

    @property
    def deadline(self) -> datetime:
        """When the render must be finished."""
        patience = self.state.given.deadline if self.state.given else timedelta(hours=24)
        return self.state.started_at + patience + self.state.held

    def progress(self) -> Progress:
        """The answer to the query `progress`."""
        state = self.state
        return Progress(
            phase=state.phase,
            since=state.since,
            task_id=state.task_id,
            provider_status=state.provider_status,
            percent=state.percent,
            polls=state.polls,
            next_poll_at=state.next_poll_at,
            message=state.message,
            decision=state.decision,
            warnings=state.warnings,
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
            workflow.upsert_search_attributes([keys[name].value_set(value) for name, value in changed.items()])
            self._shown = wanted

    def _show_details(self) -> None:
        """Costs no event; read by the Web UI as Markdown."""
        state = self.state
        lines = [f"**{state.phase.replace('_', ' ')}** since {_clock(state.since)}", "", state.message]
        if state.task_id:
            lines += ["", f"Provider task `{state.task_id}`, {state.polls} polls so far"]
        if state.decision:
            lines += ["", *_how_to_decide()]
        if state.warnings:
            lines += ["", "Warnings:", *(f"- {warning}" for warning in state.warnings)]
        workflow.set_current_details("\n".join(lines))


def _how_to_decide() -> list[str]:
    workflow_id = shlex.quote(workflow.info().workflow_id)
    ways = {
        "it is there, as this task": '{"action": "adopt", "task_id": "THE TASK ID"}',
        "it is not: order again (if it is, this pays twice)": '{"action": "resubmit"}',
        "give up": '{"action": "abandon"}',
    }
    lines = ["Look in the provider's account whether the task exists, then run one of:"]
    for meaning, resolution in ways.items():
        command = [f"temporal workflow update execute -w {workflow_id} \\", "  --name resolve_submission \\"]
        lines += ["", f"{meaning}:", "```", *command, f"  --input '{resolution}'", "```"]
    return lines


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
