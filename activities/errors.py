"""What Temporal does about each error: which failure type it becomes, whether it is tried again, and when.

Types in `FailureType` end a run; the ones named here are between an activity and its workflow.
"""

from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from manxue.errors import (
    AuthenticationFailed,
    InsufficientBalance,
    ManxueError,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
)
from manxue.failure import FailureDetails, FailureType

NOT_SENT = "NotSent"
RATE_LIMITED = "RateLimited"
NOT_FOUND = "NotFound"
REFUSED = "Refused"
NO_ANSWER = "NoAnswer"
NOT_FINISHED = "NotFinished"


def final(kind: FailureType, message: str, details: FailureDetails | None = None) -> ApplicationError:
    """A failure that ends the run."""
    return ApplicationError(message, _plain(details), type=kind, non_retryable=True)


def passing(kind: str, message: str, after: timedelta | None = None) -> ApplicationError:
    """A failure that Temporal tries again, after `after` or as the activity's retry policy says."""
    return ApplicationError(message, type=kind, next_retry_delay=after)


def not_finished(message: str, after: timedelta) -> ApplicationError:
    """No failure at all: the attempt has its answer, and Temporal is to start the next one `after` so long."""
    return ApplicationError(
        message, type=NOT_FINISHED, next_retry_delay=after, category=ApplicationErrorCategory.BENIGN
    )


def from_provider(
    error: ManxueError, refused: str = REFUSED, *, waits: bool = True, retried: bool = True
) -> ApplicationError:
    """The provider's answer to an idempotent call as a failure; a definite no becomes the type `refused`.

    `details[0]` holds `retry_after` in seconds where the provider asked for a wait. With `waits`, Temporal tries the
    activity again after it; without, the workflow is to wait, which knows its deadline and who is asking meanwhile, and
    a 429 is not repeated at once.
    Without `retried`, Temporal never tries it again.
    """
    wait = {"retry_after": error.retry_after} if error.retry_after is not None else {}
    match error:
        case AuthenticationFailed():
            kind, again = str(FailureType.AUTHENTICATION_FAILED), False
        case InsufficientBalance():
            kind, again = str(FailureType.INSUFFICIENT_BALANCE), False
        case NotFound() if refused == REFUSED:
            kind, again = NOT_FOUND, False
        case Refused():
            kind, again = refused, False
        case NotSent():
            kind, again = NOT_SENT, True
        case RateLimited():
            kind, again = RATE_LIMITED, waits
        case _:
            kind, again = NO_ANSWER, True
    asked = error.retry_after is not None
    again = again and retried and (waits or not asked)
    delay = timedelta(seconds=error.retry_after) if again and error.retry_after is not None else None
    return ApplicationError(str(error), wait, type=kind, non_retryable=not again, next_retry_delay=delay)


def _plain(details: FailureDetails | None) -> dict[str, object]:
    return (details or FailureDetails()).model_dump(mode="json")
