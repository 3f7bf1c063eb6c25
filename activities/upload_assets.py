"""Putting media through the provider's asset library: uploads, and look-ups of their review.

What comes from several runs within a moment goes out as one call.
"""

from pydantic import BaseModel
from temporalio import activity

from activities.batching import Batcher
from activities.errors import from_provider
from activities.media_references import reachable
from manxue.answers import AssetState
from manxue.asset_review import AssetToReview, Kind
from manxue.client import ManxueClient
from manxue.errors import ManxueError
from manxue.failure import FailureType


class UploadedAsset(BaseModel):
    """The provider's answer about one asset. Neither is set when the answer leaves it out."""

    asset_id: str | None = None
    refusal: str | None = None
    """The provider's reason."""


class UploadAssets:
    """The asset library, through the worker's one client."""

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue
        self._kinds: dict[str, Kind] = {}
        self._uploads = Batcher(self._upload)
        self._look_ups = Batcher(manxue.asset_states)

    @activity.defn(name="upload_assets")
    async def upload_assets(self, asset: AssetToReview) -> UploadedAsset:
        """Submit an asset for review. A definite no to the whole call is AssetRefused."""
        (url,) = (await reachable([asset.reference])).values()
        self._kinds[url] = asset.kind
        try:
            return await self._uploads.ask(url) or UploadedAsset()
        except ManxueError as error:
            raise from_provider(error, refused=FailureType.ASSET_REFUSED) from None

    @activity.defn(name="asset_state")
    async def asset_state(self, asset_id: str) -> AssetState | None:
        """Look up the review of an asset. None when the look-up failed: ask again."""
        try:
            return await self._look_ups.ask(asset_id)
        except ManxueError as error:
            raise from_provider(error, refused=FailureType.ASSET_REFUSED) from None

    async def _upload(self, urls: list[str]) -> dict[str, UploadedAsset]:
        kinds = {url: self._kinds.pop(url) for url in urls}

        def of(kind: Kind) -> list[str]:
            return [url for url in urls if kinds[url] == kind]

        answer = await self._manxue.upload_assets(of("image"), of("video"), of("audio"))
        accepted = {url: UploadedAsset(asset_id=asset_id) for url, asset_id in answer.accepted.items()}
        return accepted | {url: UploadedAsset(refusal=reason) for url, reason in answer.refused.items()}
