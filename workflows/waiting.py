"""Waiting for a paid render: a durable timer, a poll, and again. Nothing but a verdict or the deadline ends it.

Once the provider has answered, a poll asks several times by itself, at moments that are planned here, until an answer
says something new. What it costs does not grow then with how often the provider is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, is_cancelled_exception

from activities.errors import NO_ANSWER, NOT_SENT, RATE_LIMITED
from activities.poll_attempt import ABOUT, LONGEST_WAIT, SHORTEST_WAIT, PollAnswer
from manxue.failure import FailureType
from manxue.render_times import Seen
from workflows import metrics, steps
from workflows.contract import Phase, Provider
from workflows.failures import cause_of, failure, retry_after
from workflows.journal import Journal
from workflows.policies import BOUNDED_PATIENCE, INCOMPLETE_PATIENCE, LONGEST_PLAN, POLLS_AHEAD
from workflows.polling import cadence
from workflows.summaries import between_polls
from workflows.trouble import Trouble

_UNFINISHED = ("queued", "processing")
_EVENLY = 0.5
"""The mean of chance."""
_ASKED_BETWEEN = "poll-now-does-not-wait-for-planned-questions"
"""Since polls ask several times: before, a poll that was under way had its answer within seconds."""
_ASKED_AT_DEADLINE = "polls-begin-at-the-deadline-before-it-counts"
_POLLS_DO_NOT_WAIT = "manxue"
"""What workers without versions called their deployment as long as a timer came before each first question."""
_LEFT_ALONE = "polls-are-not-repeated-at-once-when-rate-limited"


class Waiting:
    """The phases `queued` and `rendering`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._state = journal.state
        self._trouble = Trouble(journal)

    async def run(self, make_room: Callable[[], Awaitable[None]]) -> None:
        """Return when the provider has finished the render. `make_room` may continue the run as new."""
        while True:
            await make_room()
            await self._pause()
            last = workflow.now() >= self._journal.deadline
            if await self._finished():
                return
            # One that began earlier may have had no worker meanwhile, and the render may be finished since.
            if workflow.now() >= self._journal.deadline and (last or not workflow.patched(_ASKED_AT_DEADLINE)):
                raise self._too_late()

    async def _pause(self) -> None:
        """Until the next question, where the poll is not to wait for it itself; and plan those after it."""
        state = self._state
        first, *further = self._planned()
        wait = min(first, self._journal.deadline) - workflow.now()
        state.poll_begins = first if self._waits_in_poll(first) else None
        if wait > timedelta(0) and not state.poll_begins and not state.poll_requested:
            state.next_poll_at = workflow.now() + wait
            summary = between_polls(state, wait.total_seconds())
            with suppress(TimeoutError):  # the ordinary case: nobody cut the wait short
                await workflow.wait_condition(lambda: state.poll_requested, timeout=wait, timeout_summary=summary)
        planned = not state.poll_requested
        until = (state.poll_begins or workflow.now()) + LONGEST_PLAN
        ahead = [*further[:1], *(moment for moment in further[1:] if moment < until)]
        if state.poll_begins and ahead and ahead[0] - first < wait - ABOUT:
            ahead = []  # one heartbeat timeout is for all waits of a poll: the shorter ones are the next poll's
        ahead = [moment for moment in ahead if planned and moment < self._journal.deadline]
        state.polls_ahead = [self._since_submission(moment) for moment in ahead]
        state.next_poll_at, state.poll_requested = None, False

    def _waits_in_poll(self, first: datetime) -> bool:
        """Trouble is told of by timers, and the deadline is theirs."""
        state = self._state
        may_wait = state.polls_wait or (state.polls_may_wait and _is_build_whose_polls_wait())
        if not may_wait or state.poll_requested or state.trouble or first >= self._journal.deadline:
            return False
        return SHORTEST_WAIT <= first - workflow.now() <= LONGEST_WAIT

    def _planned(self) -> list[datetime]:
        """The next question, and where the provider answers as it should, those after it, should nothing change."""
        state = self._state
        given, request, since = state.given, state.request, state.submitted_at
        assert given
        assert request
        assert since
        times = None if state.accepted_earlier else state.render_times
        steady = state.provider_status in _UNFINISHED and state.trouble is None
        unknown = state.accepted_earlier and not state.seen.queued_at
        rhythm = cadence(request.model, request.duration, given.poll, times, None if unknown else state.seen)
        at = self._now()
        left_alone = (state.not_before - workflow.now()).total_seconds() if state.not_before else None
        # Once is enough to spread runs that began together; even waits fit into attempts, one as the other.
        spreads = not state.polls or state.trouble or left_alone is not None
        at += rhythm.wait(state.polls, at, workflow.random().random() if spreads else _EVENLY, left_alone)
        planned = [since + timedelta(seconds=at)]
        for polls in range(state.polls + 1, state.polls + 1 + (POLLS_AHEAD if steady else 0)):
            if state.seen.rendering_at is None:  # each question finds it in the queue, should nothing change
                rhythm = cadence(request.model, request.duration, given.poll, times, Seen(queued_at=at))
            at = round(at + rhythm.wait(polls, at, _EVENLY), 1)  # as the poll is told it
            planned.append(since + timedelta(seconds=at))
        return planned

    async def _finished(self) -> bool:
        state, asked_at = self._state, self._now()
        try:
            answer = await self._answer()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            state.polls += state.asked_by(workflow.now())
            self._trouble.of(error)
            return False
        finally:
            # Whoever asked by `poll_now` while this poll was under way shares its answer.
            state.poll_begins, state.polls_ahead, state.poll_requested = None, [], False
        state.polls += answer.polls
        if answer.unchanged_at:
            self._unfinished(self._since_submission(answer.unchanged_at))
        if answer.asked_at:
            asked_at = self._since_submission(answer.asked_at)
        state.not_before = None
        state.provider_status, state.percent = answer.word, answer.percent
        match answer.status:
            case "completed":
                self._trouble.over()
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
                self._unfinished(asked_at)
                self._fine(Phase.QUEUED, "The task waits in the provider's queue.")
            case "processing":
                state.unfinished_at = asked_at
                if state.seen.rendering_at is None:
                    state.seen.rendering_at = max(self._now(), state.seen.queued_at)
                done = "" if answer.percent is None else f" ({answer.percent:.0f} %)"
                self._fine(Phase.RENDERING, f"The provider renders the video{done}.")
            case "completed_without_url":
                self._trouble.bear(answer.status, "the task is completed, but has no URL yet", INCOMPLETE_PATIENCE)
            case "unrecognized":
                trouble = f"the provider answers with the unknown status {answer.word!r}"
                self._trouble.bear(answer.status, trouble, BOUNDED_PATIENCE)
        return False

    async def _answer(self) -> PollAnswer:
        """Of a poll that asks as planned; where it ends without one, or somebody asks by `poll_now`, of one more."""
        state = self._state
        poll = steps.poll(state, self._journal.deadline - workflow.now())
        if not state.planned:
            return await poll
        try:
            await workflow.wait_condition(lambda: poll.done() or state.poll_requested)
            if not poll.done() and workflow.patched(_ASKED_BETWEEN):  # else a poll of one question is shared
                poll.cancel()
            return await poll
        except asyncio.CancelledError:
            poll.cancel()
            with suppress(ActivityError):
                await poll
            state.polls += state.asked_by(workflow.now())
            raise
        except ActivityError as error:
            by_us = is_cancelled_exception(error) and workflow.cancellation_reason() is None
            if not by_us and not _broke_off(error):
                raise
        given_up = state.asked_by(workflow.now())
        state.poll_begins, state.polls_ahead = None, []
        try:
            return await steps.poll(state, self._journal.deadline - workflow.now(), given_up)
        finally:
            state.polls += given_up  # not before: `poll_now` waits for their number to grow

    def _unfinished(self, at: float) -> None:
        """The task was not finished at `at`, and as far as is known still in the queue."""
        self._state.unfinished_at = at
        if self._state.seen.rendering_at is None:
            self._state.seen.queued_at = at

    def _now(self) -> float:
        return self._since_submission(workflow.now())

    def _since_submission(self, moment: datetime) -> float:
        """In seconds."""
        assert self._state.submitted_at
        return max((moment - self._state.submitted_at).total_seconds(), 0.0)

    def _fine(self, phase: Phase, message: str) -> None:
        self._trouble.over()
        if phase != self._state.phase:
            self._journal.enter(phase, message)
        else:
            self._journal.say(message)

    def _too_late(self) -> ApplicationError:
        task, trouble = f"task {self._state.task_id}", self._state.trouble
        how = f"is not known to be finished ({trouble})" if trouble else "was not finished"
        message = f"{task} {how} at the deadline; it goes on and is billed"
        return self._failure(FailureType.DEADLINE_EXCEEDED, message)

    def _failure(self, kind: FailureType, message: str) -> ApplicationError:
        return failure(kind, message, self._state.task_id)


def _is_build_whose_polls_wait() -> bool:
    """Of the worker that did, or does, this workflow task: while workers are replaced, runs meet old ones and new ones.

    Temporal keeps the deployment with each task, so this costs no marker. Workers with versions need no such question.
    """
    version = workflow.info().get_current_deployment_version()
    return version is None or version.deployment_name != _POLLS_DO_NOT_WAIT


def _broke_off(error: ActivityError) -> bool:
    """Whether a poll with more questions to ask got no answer to one: it leaves trying again to another poll."""
    cause = cause_of(error)
    if cause is None or cause.type not in (NO_ANSWER, NOT_SENT, RATE_LIMITED) or retry_after(error) is not None:
        return False
    if cause.type == RATE_LIMITED and workflow.patched(_LEFT_ALONE):
        return False
    return error.retry_state == RetryState.NON_RETRYABLE_FAILURE
