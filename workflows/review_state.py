"""What an execution of `ReviewAsset` knows and carries over, and reading what it is asked."""

from pydantic import AwareDatetime, BaseModel, ValidationError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from manxue.asset_review import AssetReview, AssetToReview, ReviewRequest
from manxue.failure import FailureType


class ReviewState(BaseModel):
    """What the execution knows, and carries over when it continues as new."""

    asset: AssetToReview
    review: AssetReview
    waiters: list[str] = []
    references: list[str] = []
    """Under which it was asked for, without query strings."""
    asked_at: AwareDatetime
    looked_at: AwareDatetime | None = None
    """When the provider last said that the asset is active."""


def read_request(raw: RawValue) -> ReviewRequest:
    """Read the argument of the update `review`. Raises InvalidRequest, which refuses the update."""
    try:
        return ReviewRequest.model_validate_json(raw.payload.data or b"null")
    except ValidationError:
        message = 'the update takes one argument: {"reference": media URL, "waiter": workflow id or null}'
        raise ApplicationError(message, type=FailureType.INVALID_REQUEST, non_retryable=True) from None
