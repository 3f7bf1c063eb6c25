"""Putting media through the provider's asset library: one batch upload, then look-ups of their review."""

from pydantic import BaseModel
from temporalio import activity

from activities.errors import from_provider
from activities.media_references import reachable
from manxue.answers import AssetState
from manxue.client import ManxueClient
from manxue.errors import ManxueError
from manxue.failure import FailureType


class AssetsToUpload(BaseModel):
    """Media references by kind, each once."""

    images: list[str] = []
    videos: list[str] = []
    audios: list[str] = []

    def all(self) -> list[str]:
        """Every reference."""
        return [*self.images, *self.videos, *self.audios]

    def only(self, wanted: set[str]) -> "AssetsToUpload":
        """The same with nothing but the references in `wanted`."""
        lists = (self.images, self.videos, self.audios)
        images, videos, audios = ([r for r in references if r in wanted] for references in lists)
        return AssetsToUpload(images=images, videos=videos, audios=audios)


class UploadedAssets(BaseModel):
    """The provider's answer, by reference as given (never by signed URL)."""

    accepted: dict[str, str]
    """Reference -> asset id."""
    refused: dict[str, str]
    """Reference -> the provider's reason."""
    unanswered: list[str]


class UploadAssets:
    """The asset library, through the worker's one client."""

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue

    @activity.defn(name="upload_assets")
    async def upload_assets(self, assets: AssetsToUpload) -> UploadedAssets:
        """Submit media for review in one call. A definite no is AssetRefused."""
        sent = await reachable(assets.all())
        try:
            answer = await self._manxue.upload_assets(
                [sent[r] for r in assets.images], [sent[r] for r in assets.videos], [sent[r] for r in assets.audios]
            )
        except ManxueError as error:
            raise from_provider(error, refused=FailureType.ASSET_REFUSED) from None
        references = {url: reference for reference, url in sent.items()}
        return UploadedAssets(
            accepted={references[url]: asset_id for url, asset_id in answer.accepted.items()},
            refused={references[url]: reason for url, reason in answer.refused.items()},
            unanswered=[references[url] for url in answer.unanswered],
        )

    @activity.defn(name="asset_states")
    async def asset_states(self, asset_ids: list[str]) -> dict[str, AssetState]:
        """Look up the review of assets in one call. What is missing in the answer was not looked up."""
        try:
            return await self._manxue.asset_states(asset_ids)
        except ManxueError as error:
            raise from_provider(error, refused=FailureType.ASSET_REFUSED) from None
