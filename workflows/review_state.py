"""What an execution of `ReviewAsset` knows and carries over, and reading what it is asked."""

from hashlib import sha256

from pydantic import AwareDatetime, BaseModel, ValidationError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from manxue.asset_review import AssetReview, AssetToReview, ReviewRequest
from manxue.failure import FailureType
from manxue.redact import redact

_OF_THE_ADDRESS = "a-refused-upload-is-of-its-address"
_OF_THE_SIGNATURE = "a-refused-upload-is-of-its-query-string-too"
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
    refused_urls: list[str] = []
    """Digests of the same with their query strings: a URL that is signed anew is another one to the provider."""
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
        self.refused_as = [] if refusal is None else [*self.refused_as, redact(reference)]
        self.refused_urls = [] if refusal is None else [*self.refused_urls, _digest(reference)]

    def is_refused(self, reference: str) -> bool:
        """Whether the provider took no upload of this URL."""
        return _digest(reference) in self.refused_urls

    def untried(self, reference: str) -> str | None:
        """Where an upload was refused, but not of this URL, the patch since when it is tried: the provider refuses a
        URL, not what lies there. Else None."""
        if not self.refused_as or self.is_refused(reference) or len(self.refused_as) >= MOST_REFERENCES:
            return None
        return _OF_THE_SIGNATURE if redact(reference) in self.refused_as else _OF_THE_ADDRESS


def _digest(reference: str) -> str:
    return sha256(reference.encode()).hexdigest()[:32]


def read_request(raw: RawValue) -> ReviewRequest:
    """Read the argument of the update `review`. Raises InvalidRequest, which refuses the update."""
    try:
        return ReviewRequest.model_validate_json(raw.payload.data or b"null")
    except ValidationError:
        message = 'the update takes one argument: {"reference": media URL, "waiter": workflow id or null}'
        raise ApplicationError(message, type=FailureType.INVALID_REQUEST, non_retryable=True) from None
