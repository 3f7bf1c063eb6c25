"""A request's media and the provider's asset library: which need a review, and waiting for the verdict on each."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from manxue.asset_review import AssetReview, Kind
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureType
from manxue.redact import redact
from manxue.url import is_http, is_object_store
from workflows import steps
from workflows.contract import GenerateVideoInput
from workflows.failures import end_by, failure
from workflows.journal import Journal
from workflows.policies import ASK_AGAIN
from workflows.summaries import assets


def media_to_review(request: CheckedRequest, given: GenerateVideoInput) -> dict[str, Kind]:
    """Which of the request's media go through the library: each once, however many fields use it."""
    kinds: list[tuple[Kind, Iterable[str]]] = [("image", request.images())]
    if given.asset_review == "all":
        kinds += [("video", request.reference_videos), ("audio", request.reference_audios)]
    media = {reference: kind for kind, references in kinds for reference in references}
    wanted = {} if given.asset_review == "none" else media
    return {reference: kind for reference, kind in wanted.items() if is_http(reference) or is_object_store(reference)}


class Review:
    """The phase `reviewing_assets`. The reviews themselves are `ReviewAsset` executions, shared with other runs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._woken = False

    def wake(self) -> None:
        """A review that was asked for has probably come to its end."""
        self._woken = True

    async def run(self, media: dict[str, Kind], given: GenerateVideoInput) -> dict[str, str]:
        """Reference -> id of an active asset. Fails with AssetRefused, naming each one and its reason."""
        reviews: dict[str, AssetReview] = {}
        self._journal.state.reviews = dict.fromkeys(media)
        while waiting := {url: kind for url, kind in media.items() if not _is_over(reviews.get(url))}:
            self._woken = False
            known = {url: review.review_id for url, review in reviews.items()}
            try:
                reviews |= await steps.review_assets(waiting, known, given, self._patience(waiting))
            except ActivityError as error:
                end_by(error, FailureType.DEADLINE_EXCEEDED)
            self._journal.state.reviews = {**reviews}
            left = [url for url in media if not _is_over(reviews[url])]
            if left:
                await self._wait(left, f"{assets(len(left))} of {len(media)} under review at the provider")
        return self._assets(reviews)

    async def _wait(self, waiting: list[str], why: str) -> None:
        """For news, but not for ever: somebody may have terminated a review."""
        patience = min(self._patience(waiting), ASK_AGAIN)
        self._journal.say(f"{why}.", workflow.now() + patience)
        summary = f"{why}; ask again in {patience.total_seconds():.0f} s"
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._woken, timeout=patience, timeout_summary=summary)

    def _assets(self, verdicts: dict[str, AssetReview]) -> dict[str, str]:
        for review in verdicts.values():
            if review.state == "failed" and review.failure is not FailureType.ASSET_REFUSED:
                kind = review.failure or FailureType.DEADLINE_EXCEEDED
                raise failure(kind, f"the review of the assets failed; nothing was bought: {review.reason}")
        refused = {redact(url): str(review.reason) for url, review in verdicts.items() if not review.asset_id}
        if refused:
            told = "; ".join(f"{reference}: {reason}" for reference, reason in refused.items())
            message = f"the provider refused {len(refused)} of the assets: {told}"
            raise failure(FailureType.ASSET_REFUSED, message, assets=refused)
        return {reference: str(review.asset_id) for reference, review in verdicts.items()}

    def _patience(self, waiting: Collection[str]) -> timedelta:
        left = self._journal.deadline - workflow.now()
        if left <= timedelta(0):
            told = ", ".join(redact(reference) for reference in sorted(waiting))
            message = f"the review was not over at the deadline; nothing was bought: {told}"
            raise failure(FailureType.DEADLINE_EXCEEDED, message)
        return left


def _is_over(review: AssetReview | None) -> bool:
    return review is not None and review.state != "reviewing"
