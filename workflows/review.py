"""A request's media and the provider's asset library: which need a review, and waiting for the verdict on each."""

from collections.abc import Collection, Iterable
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
        self._verdicts: dict[str, AssetReview] = {}
        """By the id of the review."""

    def reviewed(self, review: AssetReview) -> None:
        """A review has come to its end."""
        self._verdicts[review.review_id] = review

    async def run(self, media: dict[str, Kind], given: GenerateVideoInput) -> dict[str, str]:
        """Reference -> id of an active asset. Fails with AssetRefused, naming each one and its reason."""
        reviews: dict[str, str] = {}
        while waiting := {url: kind for url, kind in media.items() if reviews.get(url) not in self._verdicts}:
            reviews |= await self._ask(waiting, given)
            await self._wait(reviews)
        return self._assets({reference: self._verdicts[review] for reference, review in reviews.items()})

    async def _ask(self, media: dict[str, Kind], given: GenerateVideoInput) -> dict[str, str]:
        """Reference -> id of its review, whose verdict is here already or will be signalled."""
        try:
            asked = await steps.review_assets(media, given, self._patience(media))
        except ActivityError as error:
            end_by(error, FailureType.DEADLINE_EXCEEDED)
        for review in asked.values():
            if review.state != "reviewing":
                self._verdicts.setdefault(review.review_id, review)
        return {reference: review.review_id for reference, review in asked.items()}

    async def _wait(self, reviews: dict[str, str]) -> None:
        """Until all have a verdict, or it is time to ask again: somebody may have terminated a review."""
        until = workflow.now() + ASK_AGAIN
        while waiting := [url for url, review in reviews.items() if review not in self._verdicts]:
            self._journal.say(f"{len(waiting)} of {len(reviews)} assets are under review at the provider.")
            known, left = len(self._verdicts), min(self._patience(waiting), until - workflow.now())
            try:
                await workflow.wait_condition(
                    lambda known=known: len(self._verdicts) > known,  # type: ignore[misc]
                    timeout=max(left, timedelta(0)),
                    timeout_summary="ask for the reviews again",
                )
            except TimeoutError:
                return

    def _assets(self, verdicts: dict[str, AssetReview]) -> dict[str, str]:
        for review in verdicts.values():
            if review.state == "failed":
                kind = review.failure or FailureType.DEADLINE_EXCEEDED
                raise failure(kind, f"the review of the assets failed; nothing was bought: {review.reason}")
        refused = {
            redact(reference): str(review.reason) for reference, review in verdicts.items() if review.state == "refused"
        }
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
