"""The review of one asset, as those who ask for it and those who carry it out speak of it."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from manxue.failure import FailureType
from manxue.url import is_http, is_object_store, media_url_problem

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


def _uploadable(value: str) -> str:
    if (hint := media_url_problem(value)) or not (is_http(value) or is_object_store(value)):
        raise ValueError(hint or "must be an http(s):// URL, or an s3://, gs:// or az:// reference")
    return value


Reference = Annotated[str, AfterValidator(_uploadable)]
"""An http(s) URL or an object store reference."""


class AssetToReview(BaseModel):
    """The argument of `ReviewAsset`."""

    kind: Kind
    reference: Reference
    """As the last who asked gave it."""
    keep: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3650))] = timedelta(days=30)
    """How long the verdict is remembered after somebody last asked for it."""


class ReviewRequest(BaseModel):
    """Somebody asks for the verdict."""

    reference: Reference
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
