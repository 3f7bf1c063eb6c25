"""Buying the render: at most one create call that could have been accepted, unless somebody chose otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum, auto
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeout

from activities.errors import NOT_SENT, RATE_LIMITED
from activities.submission_record import read_record
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureType
from workflows import metrics, steps
from workflows.contract import Phase, Resolution
from workflows.failures import cause_of, end_by, failure, retry_after
from workflows.journal import Journal
from workflows.notifications import Notifications
from workflows.policies import NOT_ACCEPTED_FIRST_WAIT, NOT_ACCEPTED_LONGEST_WAIT
from workflows.summaries import line
from workflows.turn import Turn

_MOST_RESUBMISSIONS = 1
"""By the policy `resubmit`: whoever chose it may pay twice, and not a hundred times. Then the run asks."""
_EARLIER_UNKNOWN = "An earlier create call may have been accepted, and is billed then: nobody knows."


class Outcome(Enum):
    """What is known after a submit activity that did not return."""

    ACCEPTED = auto()
    NOT_ACCEPTED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


def outcome_of(error: ActivityError) -> tuple[Outcome, str]:
    """Read the outcome from the activity's failure: how, and the task id or the reason.

    A worker that died left its record in the last heartbeat; no record means that nothing was sent.
    """
    cause = error.cause
    if isinstance(cause, TemporalTimeout):
        record = read_record(cause.last_heartbeat_details)
        if record is None:
            return Outcome.NOT_ACCEPTED, "no worker sent the create call"
        if record.task_id:
            return Outcome.ACCEPTED, record.task_id
        return Outcome.UNKNOWN, "the worker died after it began to send the create call"
    told = cause_of(error)
    if told is None:
        return Outcome.UNKNOWN, str(cause)
    if told.type in (NOT_SENT, RATE_LIMITED):
        return Outcome.NOT_ACCEPTED, told.message
    if told.type in list(FailureType) and told.type != FailureType.SUBMISSION_UNKNOWN:
        return Outcome.REFUSED, told.message
    # A worker that lacks the key to its arguments sends nothing. But an attempt before it, which somebody has reset,
    # may have, and its record could not be read either.
    why = f": {told.cause}" if isinstance(told.cause, ApplicationError) else ""
    return Outcome.UNKNOWN, f"{told.message}{why}"


class Submission:
    """The phase `submitting`, and `needs_decision` where it leads there."""

    def __init__(self, journal: Journal, turn: Turn, notifications: Notifications) -> None:
        self._journal = journal
        self._turn = turn
        self._notifications = notifications
        self._resolution: Resolution | None = None

    def resolve(self, resolution: Resolution) -> None:
        """Somebody decided."""
        self._resolution = resolution

    def check(self) -> None:
        """Refuse a resolution that nobody asked for."""
        if self._journal.state.phase != Phase.NEEDS_DECISION or self._resolution:
            raise ApplicationError(
                f"there is nothing to resolve: the run is in the phase {self._journal.state.phase}",
                type="NoDecisionPending",
                non_retryable=True,
            )

    async def run(self, request: CheckedRequest, make_room: Callable[[], Awaitable[None]]) -> str:
        """Submit until it is known what became of it. The task id, or a failure of the contract.

        `make_room` may continue the run as new while it waits for its turn.
        """
        wait = NOT_ACCEPTED_FIRST_WAIT
        while True:
            self._require_time()
            await self._turn.come(make_room)
            try:
                submitted = await steps.submit(request, self._journal.state)
                if submitted.earlier_run:
                    return self._found(submitted.task_id)
                metrics.create_ended(self._journal.state, Outcome.ACCEPTED.name.lower())
                return submitted.task_id
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise  # before a worker took it up: nothing was sent
                outcome, told = outcome_of(error)
                metrics.create_ended(self._journal.state, outcome.name.lower())
                if outcome is Outcome.UNKNOWN:
                    self._journal.state.outcome_unknown = True
                if outcome is not Outcome.ACCEPTED and workflow.cancellation_reason() is not None:
                    raise asyncio.CancelledError from None  # it came while the answer was awaited
                match outcome:
                    case Outcome.ACCEPTED:
                        return self._found(told)
                    case Outcome.NOT_ACCEPTED:
                        await self._pause(_asked_for(error) or wait, told)
                        wait = min(wait * 2, NOT_ACCEPTED_LONGEST_WAIT)
                    case Outcome.REFUSED:
                        self._refused(error, told)
                    case Outcome.UNKNOWN:
                        task_id = await self._decide(told)
                        if task_id:
                            return self._found(task_id)
                        self._journal.state.decided += 1

    def _refused(self, error: ActivityError, told: str) -> NoReturn:
        cause = cause_of(error)
        if self._journal.state.outcome_unknown and cause:
            message = f"{told}. {_EARLIER_UNKNOWN}"
            raise failure(FailureType(str(cause.type)), message) from None
        end_by(error, FailureType.SUBMISSION_REFUSED)

    def _found(self, task_id: str) -> str:
        """A task that was accepted some time ago: it may be finished, so the first poll is due at once."""
        self._journal.state.poll_requested = self._journal.state.accepted_earlier = True
        return task_id

    async def _decide(self, why: str) -> str | None:
        """The task id to adopt, or None to submit again."""
        given = self._journal.state.given
        policy = given.on_unknown_submission if given else "hold"
        if policy == "resubmit" and self._journal.state.decided < _MOST_RESUBMISSIONS:
            await self._pause(NOT_ACCEPTED_FIRST_WAIT, f"{_unknown(why)}; the caller chose to submit again then")
            return None
        if policy == "fail":
            raise failure(FailureType.SUBMISSION_UNKNOWN, _unknown(why))
        asked_at = workflow.now()
        self._journal.ask(why)
        self._notifications.needs_decision()
        await workflow.wait_condition(lambda: self._resolution is not None)
        waited = workflow.now() - asked_at
        self._journal.state.held += waited
        resolution, self._resolution = self._resolution, None
        assert resolution is not None
        metrics.decided(resolution.action, waited)
        if resolution.action == "abandon":
            raise failure(FailureType.SUBMISSION_UNKNOWN, f"{_unknown(why)}; it was abandoned by decision")
        self._journal.enter(Phase.SUBMITTING, f"Decided: {resolution.action}.")
        return resolution.task_id

    async def _pause(self, wait: timedelta, why: str) -> None:
        wait = min(wait, max(self._journal.deadline - workflow.now(), timedelta(0)))
        self._journal.say(
            f"The provider has not accepted the task: {why}. It is submitted again in {wait.seconds} s.",
            workflow.now() + wait,
        )
        await workflow.sleep(wait, summary=line(f"submit again in {wait.total_seconds():.0f} s: {why[:120]}"))

    def _require_time(self) -> None:
        if workflow.now() >= self._journal.deadline:
            last = self._journal.state.message
            bought = _EARLIER_UNKNOWN if self._journal.state.outcome_unknown else "Nothing was bought."
            message = f"the provider did not accept the task before the deadline. {bought} {last}"
            raise failure(FailureType.DEADLINE_EXCEEDED, message)


def _asked_for(error: ActivityError) -> timedelta | None:
    """The wait that the provider asked for, if it did."""
    seconds = retry_after(error)
    return timedelta(seconds=max(float(seconds), 1.0)) if seconds is not None else None


def _unknown(why: str) -> str:
    return f"nobody knows whether the provider accepted the task: {why}"
