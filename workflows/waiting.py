"""Waiting for a paid render: a durable timer, a poll, and again. Nothing but a verdict or the deadline ends it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.errors import NOT_FOUND, REFUSED
from manxue.failure import FailureType
from workflows import metrics, steps
from workflows.contract import Phase, Provider
from workflows.failures import cause_of, failure
from workflows.journal import Journal
from workflows.policies import ADOPTED_PATIENCE, BOUNDED_PATIENCE, INCOMPLETE_PATIENCE
from workflows.polling import cadence
from workflows.summaries import between_polls

_SHORT_OF_AN_ANSWER = {
    NOT_FOUND: FailureType.RESULT_INCOMPLETE,
    REFUSED: FailureType.RESULT_INCOMPLETE,
    FailureType.AUTHENTICATION_FAILED: FailureType.AUTHENTICATION_FAILED,
    FailureType.INSUFFICIENT_BALANCE: FailureType.INSUFFICIENT_BALANCE,
}
"""Answers to a poll that are tolerated for a bounded time, and how the run ends after it."""


class Waiting:
    """The phases `queued` and `rendering`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._state = journal.state
        self._retry_after: float | None = None

    async def run(self, make_room: Callable[[], Awaitable[None]]) -> None:
        """Return when the provider has finished the render. `make_room` may continue the run as new."""
        while True:
            await make_room()
            await self._pause()
            if await self._finished():
                return
            if workflow.now() >= self._journal.deadline:
                raise self._failure(
                    FailureType.DEADLINE_EXCEEDED,
                    f"task {self._state.task_id} was not finished at the deadline; it goes on and is billed",
                )

    async def _pause(self) -> None:
        state = self._state
        given, request = state.given, state.request
        assert given
        assert request
        times = None if state.accepted_earlier else state.render_times
        rhythm = cadence(request.model, request.duration, given.poll, times, state.seen)
        planned = rhythm.wait(state.polls, self._now(), workflow.random().random(), self._retry_after)
        left = (self._journal.deadline - workflow.now()).total_seconds()
        wait = max(min(planned, left), 0.0)
        if wait and not state.poll_requested:
            state.next_poll_at = workflow.now() + timedelta(seconds=wait)
            summary = between_polls(state, wait)
            with suppress(TimeoutError):  # the ordinary case: nobody cut the wait short
                await workflow.wait_condition(lambda: state.poll_requested, timeout=wait, timeout_summary=summary)
        state.next_poll_at, state.poll_requested = None, False

    async def _finished(self) -> bool:
        state, asked_at = self._state, self._now()
        try:
            answer = await steps.poll(state, self._journal.deadline - workflow.now())
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._no_answer(error)
            return False
        finally:
            # Whoever asked by `poll_now` while this poll was under way shares its answer.
            state.polls, state.poll_requested = state.polls + 1, False
        self._retry_after = None
        state.provider_status, state.percent = answer.word, answer.percent
        match answer.status:
            case "completed":
                state.trouble = state.trouble_since = None
                state.provider = Provider(
                    created=answer.created, actual_duration=answer.actual_duration, amount=answer.amount
                )
                state.finished_at = self._now()
                metrics.render_finished(state)
                return True
            case "failed":
                raise self._failure(
                    FailureType.RENDER_FAILED, f"the provider could not render the video: {answer.reason}"
                )
            case "queued":
                state.unfinished_at = asked_at
                if state.seen.rendering_at is None:
                    state.seen.queued_at = asked_at
                self._fine(Phase.QUEUED, "The task waits in the provider's queue.")
            case "processing":
                state.unfinished_at = asked_at
                if state.seen.rendering_at is None:
                    state.seen.rendering_at = max(self._now(), state.seen.queued_at)
                done = "" if answer.percent is None else f" ({answer.percent:.0f} %)"
                self._fine(Phase.RENDERING, f"The provider renders the video{done}.")
            case "completed_without_url":
                self._tolerate("the task is completed, but has no URL yet", INCOMPLETE_PATIENCE)
            case "unrecognized":
                self._tolerate(f"the provider answers with the unknown status {answer.word!r}", BOUNDED_PATIENCE)
        return False

    def _now(self) -> float:
        """Seconds since the submission."""
        assert self._state.submitted_at
        return max((workflow.now() - self._state.submitted_at).total_seconds(), 0.0)

    def _fine(self, phase: Phase, message: str) -> None:
        self._state.trouble = self._state.trouble_since = None
        if phase != self._state.phase:
            self._journal.enter(phase, message)
        else:
            self._journal.say(message)

    def _no_answer(self, error: ActivityError) -> None:
        cause = cause_of(error)
        if cause is None or cause.type not in _SHORT_OF_AN_ANSWER:
            self._outage(cause, error)
            return
        never_answered = self._state.adopted and self._state.provider_status is None
        patience = ADOPTED_PATIENCE if never_answered else BOUNDED_PATIENCE
        kind = _SHORT_OF_AN_ANSWER[cause.type]
        if never_answered and cause.type == NOT_FOUND:
            kind = FailureType.INVALID_REQUEST  # most likely a typing error in `task_id`
        self._tolerate(cause.message, patience, kind)

    def _outage(self, cause: ApplicationError | None, error: ActivityError) -> None:
        """No answer at all never ends a paid render: the run asks until the deadline."""
        details = cause.details[0] if cause and cause.details and isinstance(cause.details[0], dict) else {}
        self._retry_after = details.get("retry_after")
        self._trouble(cause.message if cause else str(error.cause))

    def _tolerate(self, trouble: str, patience: timedelta, kind: FailureType = FailureType.RESULT_INCOMPLETE) -> None:
        self._trouble(trouble)
        since = self._state.trouble_since
        if since and workflow.now() - since >= patience:
            raise self._failure(
                kind,
                f"task {self._state.task_id} gave no useful answer for {patience.total_seconds():.0f} s: {trouble}",
            )

    def _trouble(self, trouble: str) -> None:
        state = self._state
        state.trouble, state.trouble_since = trouble, state.trouble_since or workflow.now()
        self._journal.say(
            f"No useful answer since {state.trouble_since:%H:%M:%S} UTC: {trouble}. The run goes on asking."
        )

    def _failure(self, kind: FailureType, message: str) -> ApplicationError:
        return failure(kind, message, self._state.task_id)
