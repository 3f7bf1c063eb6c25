"""Putting a request's media through the provider's asset library, and waiting for the verdict on each."""

from collections import Counter
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.upload_assets import AssetsToUpload
from manxue.answers import AssetState
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureType
from manxue.redact import redact
from manxue.url import is_http, is_object_store
from workflows import steps
from workflows.contract import GenerateVideoInput
from workflows.failures import end_by, failure
from workflows.journal import Journal
from workflows.policies import REVIEW_FIRST_WAIT, REVIEW_LONGEST_WAIT

_UPLOADS_PER_ASSET = 3
"""How often an asset is submitted that the answer left out, or that lapsed during its review."""


def media_to_review(request: CheckedRequest, given: GenerateVideoInput) -> AssetsToUpload:
    """Which of the request's media go through the library: each once, however many fields use it."""

    def reviewable(references: list[str]) -> list[str]:
        return [r for r in dict.fromkeys(references) if is_http(r) or is_object_store(r)]

    if given.asset_review == "none":
        return AssetsToUpload()
    images = reviewable(request.images())
    if given.asset_review == "images":
        return AssetsToUpload(images=images)
    videos, audios = reviewable(list(request.reference_videos)), reviewable(list(request.reference_audios))
    return AssetsToUpload(images=images, videos=videos, audios=audios)


class Review:
    """One batch of media on its way through the library."""

    def __init__(self, assets: AssetsToUpload, given: GenerateVideoInput, journal: Journal) -> None:
        self._assets, self._given, self._journal = assets, given, journal
        self._open = set(assets.all())
        self._ids: dict[str, str] = {}
        self._active: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._uploads: Counter[str] = Counter()

    async def run(self) -> dict[str, str]:
        """Reference -> id of an active asset. Fails with AssetRefused, naming each one and its reason."""
        wait = REVIEW_FIRST_WAIT
        try:
            while self._open:
                await self._upload_missing()
                if self._ids:
                    await self._pause(wait)
                    await self._look_up()
                    wait = min(wait * 1.5, REVIEW_LONGEST_WAIT)
        except ActivityError as error:
            end_by(error, FailureType.DEADLINE_EXCEEDED)
        if self._refused:
            told = "; ".join(f"{redact(reference)}: {reason}" for reference, reason in self._refused.items())
            refused = {redact(reference): reason for reference, reason in self._refused.items()}
            raise failure(
                FailureType.ASSET_REFUSED, f"the provider refused {len(refused)} of the assets: {told}", assets=refused
            )
        return self._active

    async def _upload_missing(self) -> None:
        missing = self._open - self._ids.keys()
        if not missing:
            return
        answer = await steps.upload_assets(self._assets.only(missing), self._given, self._patience())
        self._ids |= answer.accepted
        self._uploads.update(missing)
        for reference, reason in answer.refused.items():
            self._refuse(reference, reason)
        for reference in answer.unanswered:
            if self._uploads[reference] >= _UPLOADS_PER_ASSET:
                self._refuse(reference, "the provider's answers to the upload leave it out")

    async def _look_up(self) -> None:
        references = {asset_id: reference for reference, asset_id in self._ids.items()}
        states = await steps.asset_states(sorted(references), self._given, self._patience())
        for asset_id, reference in references.items():
            match states.get(asset_id):
                case AssetState.ACTIVE:
                    self._active[reference] = asset_id
                    self._settle(reference)
                case AssetState.FAILED:
                    self._refuse(reference, "refused by the review")
                case AssetState.EXPIRED | AssetState.DELETED as lapsed:
                    del self._ids[reference]
                    if self._uploads[reference] >= _UPLOADS_PER_ASSET:
                        self._refuse(reference, f"lapsed during its review ({lapsed}) {_UPLOADS_PER_ASSET} times")
                case AssetState.PROCESSING | AssetState.UNKNOWN | None:
                    pass  # under review, or the look-up failed: asked again

    async def _pause(self, wait: timedelta) -> None:
        count = len(self._ids)
        self._journal.say(f"{count} of {len(self._assets.all())} assets are under review at the provider.")
        await workflow.sleep(min(wait, self._patience()), summary=f"{count} assets under review")

    def _patience(self) -> timedelta:
        left = self._journal.deadline - workflow.now()
        if left <= timedelta(0):
            waiting = ", ".join(redact(reference) for reference in sorted(self._open))
            raise failure(
                FailureType.DEADLINE_EXCEEDED, f"the review was not over at the deadline; nothing was bought: {waiting}"
            )
        return left

    def _refuse(self, reference: str, reason: str) -> None:
        self._refused[reference] = reason
        self._settle(reference)

    def _settle(self, reference: str) -> None:
        self._open.discard(reference)
        self._ids.pop(reference, None)
