"""What an execution of `ReviewAsset` knows and carries over, and reading what it is asked."""

from pydantic import AwareDatetime, BaseModel, ValidationError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from manxue.asset_review import AssetReview, AssetToReview, ReviewRequest
from manxue.failure import FailureType

MOST_REFERENCES = 20
"""That are kept of all that one content has."""


class ReviewState(BaseModel):
    """What the execution knows, and carries over when it continues as new."""

    asset: AssetToReview
    review: AssetReview
    waiters: list[str] = []
    references: list[str] = []
    """Under which it was asked for, without query strings."""
    refused_as: list[str] = []
    """Under which of these the provider took no upload."""
    asked_at: AwareDatetime
    looked_at: AwareDatetime | None = None
    """When the provider last said that the asset is active."""

    def remember(self, reference: str) -> bool:
        """Whether it is news that it was asked for under this one."""
        if reference in self.references or len(self.references) >= MOST_REFERENCES:
            return False
        self.references.append(reference)
        return True

    def uploaded(self, reference: str, refusal: str | None) -> None:
        """Note what the provider said of an upload."""
        self.refused_as = [] if refusal is None else [*self.refused_as, reference]

    def is_untried(self, reference: str) -> bool:
        """Whether an upload was refused, but not of this address: the provider refuses a URL, not what lies there."""
        return bool(self.refused_as) and reference not in self.refused_as and len(self.refused_as) < MOST_REFERENCES


def read_request(raw: RawValue) -> ReviewRequest:
    """Read the argument of the update `review`. Raises InvalidRequest, which refuses the update."""
    try:
        return ReviewRequest.model_validate_json(raw.payload.data or b"null")
    except ValidationError:
        message = 'the update takes one argument: {"reference": media URL, "waiter": workflow id or null}'
        raise ApplicationError(message, type=FailureType.INVALID_REQUEST, non_retryable=True) from None
