"""How a run ended when there is no video: one exception for all of Temporal's ways to say it."""

from pydantic import ValidationError
from temporalio import exceptions
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, FailureError, TerminatedError

from manxue.failure import FailureDetails
from workflows.next_steps import CANCELED, TERMINATED, TIMED_OUT, next_step


class RunFailed(Exception):
    """The run is over without a video. `kind` is a `FailureType`, or one of the early ends of next_steps.py."""

    def __init__(self, kind: str, message: str, details: FailureDetails) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.details = details

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return next_step(self.kind, self.details.task_id)


def failure_of(error: WorkflowFailureError, outcome: str | None, task_id: str | None = None) -> RunFailed:
    """What `error` says. `outcome` is the last word that a cancelled run left in its memo.

    `task_id` is what the server knows of a run that was ended before it could say so itself.
    """
    cause: BaseException | None = error.cause
    while isinstance(cause, FailureError) and not isinstance(cause, ApplicationError) and cause.cause is not None:
        cause = cause.cause
    early = FailureDetails(task_id=task_id)
    match cause:
        case ApplicationError():
            return RunFailed(cause.type or "ApplicationError", cause.message, _details(cause))
        case CancelledError():
            return RunFailed(CANCELED, outcome or "The run was cancelled.", early)
        case TerminatedError():
            return RunFailed(TERMINATED, f"The run was terminated: {cause.message}", early)
        case exceptions.TimeoutError():
            return RunFailed(TIMED_OUT, "The run exceeded the time limit it was started with.", early)
    return RunFailed(type(cause).__name__, str(cause), FailureDetails())


def _details(cause: ApplicationError) -> FailureDetails:
    try:
        return FailureDetails.model_validate(cause.details[0])
    except (IndexError, ValidationError):
        return FailureDetails()  # a run of another version, or a failure from outside the contract
