"""What keeps the provider from giving a useful answer to a poll, and how long a run bears it.

No answer at all never ends a paid render: the run asks until the deadline. Answers that nothing follows from do, after
a while, where there were several of the same kind.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.errors import NOT_FINISHED, NOT_FOUND, RATE_LIMITED, REFUSED
from manxue.failure import FailureType
from workflows.failures import cause_of, failure, retry_after
from workflows.journal import Journal
from workflows.policies import ADOPTED_PATIENCE, BOUNDED_PATIENCE, FEWEST_OF_ADOPTED, FEWEST_USELESS
from workflows.run_state import Useless

_SHORT_OF_AN_ANSWER = {
    NOT_FOUND: FailureType.RESULT_INCOMPLETE,
    REFUSED: FailureType.RESULT_INCOMPLETE,
    FailureType.AUTHENTICATION_FAILED: FailureType.AUTHENTICATION_FAILED,
    FailureType.INSUFFICIENT_BALANCE: FailureType.INSUFFICIENT_BALANCE,
}
"""Answers to a poll that are tolerated for a bounded time, and how the run ends after it."""
_MOST_SLOW = 300.0
"""Seconds between two questions to a provider that only says that there are too many."""
_ANSWERS_COUNT = "polls-count-useless-answers-by-their-kind"
"""Before, any answer of such a kind ended a run that had had any trouble for so long."""


class Trouble:
    """Of one run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._state = journal.state

    def over(self) -> None:
        """There was a useful answer."""
        self._state.trouble = self._state.trouble_since = self._state.useless = None

    def of(self, error: ActivityError) -> None:
        """A poll failed. Raises the failure that ends the run when it has borne enough."""
        cause = cause_of(error)
        if cause and cause.type == NOT_FINISHED:  # there was an answer, but no time or no attempt for the next question
            return
        if cause is None or cause.type not in _SHORT_OF_AN_ANSWER:
            self._say(cause.message if cause else str(error.cause))
            self._leave_alone(retry_after(error), cause is not None and cause.type == RATE_LIMITED)
            return
        never_answered = self._state.adopted and self._state.provider_status is None
        kind = _SHORT_OF_AN_ANSWER[cause.type]
        if never_answered and cause.type == NOT_FOUND:
            kind = FailureType.INVALID_REQUEST  # most likely a typing error in `task_id`
        patience = ADOPTED_PATIENCE if never_answered else BOUNDED_PATIENCE
        fewest = FEWEST_OF_ADOPTED if never_answered else FEWEST_USELESS
        self.bear(cause.type, cause.message, patience, fewest, kind)

    def bear(
        self,
        what: str,
        trouble: str,
        patience: timedelta,
        fewest: int = FEWEST_USELESS,
        kind: FailureType = FailureType.RESULT_INCOMPLETE,
    ) -> None:
        """An answer of the kind `what` that nothing follows from.

        Raises the failure `kind` when such answers came for so long, and so many of them: a single one after an outage
        decides nothing.
        """
        self._say(trouble)
        state, now = self._state, workflow.now()
        state.not_before = None
        if state.useless and state.useless.kind == what:
            state.useless.answers += 1
        else:
            state.useless = Useless(kind=what, since=now)
        enough = now - state.useless.since >= patience and state.useless.answers >= fewest
        if not enough and state.trouble_since and now - state.trouble_since >= patience:
            enough = not workflow.patched(_ANSWERS_COUNT)
        if enough:
            message = f"gave no useful answer for {patience.total_seconds():.0f} s: {trouble}"
            raise failure(kind, f"task {state.task_id} {message}", state.task_id)

    def _leave_alone(self, asked_for: float | None, too_many: bool) -> None:
        state, now = self._state, workflow.now()
        if asked_for is None and too_many and state.trouble_since:
            asked_for = min((now - state.trouble_since).total_seconds(), _MOST_SLOW)  # as long again
        state.not_before = None if asked_for is None else now + timedelta(seconds=asked_for)

    def _say(self, trouble: str) -> None:
        state = self._state
        state.trouble, state.trouble_since = trouble, state.trouble_since or workflow.now()
        self._journal.say(
            f"No useful answer since {state.trouble_since:%H:%M:%S} UTC: {trouble}. The run goes on asking."
        )
