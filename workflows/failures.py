"""How a run ends without a file: one application failure with a type of the contract, never a bare activity error."""

from typing import Any, NoReturn

from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from manxue.failure import FailureDetails, FailureType


def failure(kind: FailureType, message: str, task_id: str | None = None, **details: Any) -> ApplicationError:
    """The failure that ends a run."""
    plain = FailureDetails(task_id=task_id, **details).model_dump(mode="json")
    return ApplicationError(message, plain, type=kind, non_retryable=True)


def cause_of(error: ActivityError) -> ApplicationError | None:
    """The application failure at the bottom of an activity's failure; None when it timed out without one."""
    cause: BaseException | None = error.cause
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.cause if isinstance(cause, FailureError) else None
    return cause


def retry_after(error: ActivityError) -> float | None:
    """The seconds that the provider asked to wait, where the activity's failure says so."""
    cause = cause_of(error)
    details = cause.details[0] if cause and cause.details and isinstance(cause.details[0], dict) else {}
    return details.get("retry_after")


def end_by(error: ActivityError, otherwise: FailureType, task_id: str | None = None) -> NoReturn:
    """End the run with the failure of the contract that an activity's failure means. A cancellation stays what it is.

    `otherwise` is the type for what the activity itself has no type of the contract for: timeouts and the like.
    """
    if is_cancelled_exception(error):
        raise error
    cause = cause_of(error)
    if cause is None:
        raise failure(otherwise, f"the activity {error.activity_type} did not finish: {error.cause}", task_id) from None
    details = FailureDetails.model_validate(cause.details[0] if _has_details(cause) else {})
    details.task_id = details.task_id or task_id
    kind = FailureType(cause.type) if cause.type in list(FailureType) else otherwise
    raise failure(kind, cause.message, **details.model_dump()) from None


def _has_details(cause: ApplicationError) -> bool:
    return cause.type in list(FailureType) and bool(cause.details) and isinstance(cause.details[0], dict)
