"""The review of one asset, as those who ask for it and those who carry it out speak of it."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, model_validator

from manxue.failure import FailureType

REVIEW_ASSET = "ReviewAsset"
"""The workflow. One execution for each content and account, found by its workflow id."""
REVIEW_UPDATE = "review"
"""Ask for the verdict. Argument: `ReviewRequest`; answer: `AssetReview`, at once."""
FORGET_UPDATE = "forget"
"""End the execution, so that the next request submits the asset anew."""
ASSET_QUERY = "asset"
"""The present `AssetReview`."""
ASSET_REVIEWED_SIGNAL = "asset_reviewed"
"""What a workflow that asked while the review was under way gets at its end, without argument: it is to ask again."""

Kind = Literal["image", "video", "audio"]


class AssetToReview(BaseModel):
    """The argument of `ReviewAsset`."""

    kind: Kind
    reference: str
    """An http(s) URL or an object store reference, as the first who asked gave it."""
    keep: timedelta = timedelta(days=30)
    """How long the verdict is remembered after somebody last asked for it."""


class ReviewRequest(BaseModel):
    """Somebody asks for the verdict."""

    reference: str
    """Another address of the same content: a signed URL of yesterday may have expired."""
    waiter: str | None = None
    """The workflow id to signal when there is no verdict yet."""


class AssetReview(BaseModel):
    """Where the review is."""

    review_id: str
    """The workflow id of the review."""
    state: Literal["reviewing", "active", "refused", "failed"]
    """`refused` is the provider's verdict on the content; `failed` means that there is none."""
    since: datetime
    asset_id: str | None = None
    reason: str | None = None
    failure: FailureType | None = None
    """How a run ends that needs the asset, when the review failed."""

    @model_validator(mode="after")
    def _active_with_id(self) -> "AssetReview":
        if (self.state == "active") != bool(self.asset_id):
            raise ValueError("`asset_id` goes with the state `active`, and only with it")
        return self
