"""Putting media through the provider's asset library: uploads, and look-ups of their review.

What comes from several runs within a moment goes out as one call.
"""

from pydantic import BaseModel
from temporalio import activity

from activities.batching import Batcher
from activities.errors import NO_ANSWER, from_provider, passing
from activities.heartbeat import heartbeating
from activities.media_references import reachable
from manxue.answers import AssetState
from manxue.asset_review import AssetToReview, Kind
from manxue.client import ManxueClient
from manxue.errors import AuthenticationFailed, InsufficientBalance, ManxueError, Refused
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
        self._uploads = Batcher(self._upload)
        self._look_ups = Batcher(manxue.asset_states)

    @activity.defn(name="upload_assets")
    async def upload_assets(self, asset: AssetToReview) -> UploadedAsset:
        """Submit an asset for review. A definite no to the call, not to the content, is AssetRefused."""
        async with heartbeating():
            (url,) = (await reachable([asset.reference])).values()
            try:
                return await self._uploads.ask(f"{asset.kind} {url}") or UploadedAsset()
            except ManxueError as error:
                raise from_provider(error, refused=FailureType.ASSET_REFUSED) from None

    @activity.defn(name="asset_state")
    async def asset_state(self, asset_id: str) -> AssetState | None:
        """Look up the review of an asset. None when the look-up failed: ask again."""
        async with heartbeating():
            try:
                return await self._look_ups.ask(asset_id)
            except (AuthenticationFailed, InsufficientBalance) as error:
                raise from_provider(error) from None
            except Refused as error:
                raise passing(NO_ANSWER, str(error)) from None  # of a look-up, not of the asset
            except ManxueError as error:
                raise from_provider(error) from None

    async def _upload(self, keys: list[str]) -> dict[str, UploadedAsset]:
        """Keys are kind and URL."""

        def of(kind: Kind) -> list[str]:
            return [key.removeprefix(f"{kind} ") for key in keys if key.startswith(f"{kind} ")]

        answer = await self._manxue.upload_assets(of("image"), of("video"), of("audio"))
        accepted = {url: UploadedAsset(asset_id=asset_id) for url, asset_id in answer.accepted.items()}
        refused = {url: UploadedAsset(refusal=reason) for url, reason in answer.refused.items()}
        said = accepted | refused
        return {key: said[url] for key in keys if (url := key.partition(" ")[2]) in said}
