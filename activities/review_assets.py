"""Asking for the reviews that a request needs: each is one `ReviewAsset` execution, which everybody shares."""

import asyncio
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.errors import NO_ANSWER, passing
from activities.heartbeat import heartbeating
from activities.not_found import is_gone
from manxue.account import account_digest
from manxue.asset_review import REVIEW_ASSET, REVIEW_UPDATE, AssetReview, AssetToReview, Kind, ReviewRequest
from manxue.markdown import text
from manxue.redact import capped, redact
from manxue.url import is_object_store
from media.fetch import Fetcher
from media.identity import NotNow, content_identity, object_identity, url_identity

_UPDATE_PATIENCE = timedelta(seconds=30)
_ATTEMPTS_TO_READ = 4
"""After so many, the worker cannot reach the medium; the provider may."""
_UPDATES_AT_ONCE = 4
"""To one execution from one worker. The server takes 10 in all and refuses more, which the SDK repeats too slowly."""


class AssetsToReview(BaseModel):
    """Media references by kind, each once."""

    references: dict[str, Kind]
    known: dict[str, str] = {}
    """Reference -> id of its review, where somebody has asked before."""


class ReviewAssets:
    """Asks as one account of the provider."""

    def __init__(self, fetcher: Fetcher, base_url: str, api_key: str, keep: timedelta) -> None:
        self._fetcher = fetcher
        # An asset belongs to the account that submitted it. The key itself must not be seen in a workflow id.
        self._account = account_digest(base_url, api_key)
        self._keep = keep
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @activity.defn(name="review_assets")
    async def review_assets(self, given: AssetsToReview) -> dict[str, AssetReview]:
        """Reference -> where its review is now. What is `reviewing` will be signalled to the calling workflow."""
        async with heartbeating():
            reviews = await asyncio.gather(
                *(self._ask(kind, url, given.known.get(url)) for url, kind in given.references.items())
            )
        return dict(zip(given.references, reviews, strict=True))

    async def _review_id(self, kind: Kind, reference: str) -> str:
        try:
            if is_object_store(reference):
                identity = await object_identity(reference)
            else:
                identity = await content_identity(self._fetcher, reference, hashed=kind == "image")
        except NotNow as error:
            if activity.info().attempt < _ATTEMPTS_TO_READ:
                raise passing(NO_ANSWER, f"{redact(reference)} could not be read: {error}") from None
            identity = url_identity(reference)
        return f"asset-{self._account}-{identity}"

    async def _ended(self, review_id: str) -> AssetReview | None:
        """The verdict of an execution that is over: one without a verdict on the content is not remembered."""
        handle = activity.client().get_workflow_handle(review_id, result_type=AssetReview)
        try:
            if (await handle.describe()).status is not WorkflowExecutionStatus.COMPLETED:
                return None
            review: AssetReview = await handle.result()
        except RPCError as error:
            if not is_gone(error):
                raise
            return None  # it was deleted, or its retention is over
        return None if review.state == "reviewing" else review

    async def _ask(self, kind: Kind, reference: str, review_id: str | None) -> AssetReview:
        if review_id and (ended := await self._ended(review_id)):
            return ended
        review_id = review_id or await self._review_id(kind, reference)
        start: WithStartWorkflowOperation[Any, AssetReview] = WithStartWorkflowOperation(
            REVIEW_ASSET,
            AssetToReview(kind=kind, reference=reference, keep=self._keep),
            id=review_id,
            task_queue=activity.info().task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            memo={"reference": redact(reference), "state": "reviewing"},
            static_summary=text(f"{kind} · {capped(reference, 150)}"),
        )
        async with self._turns.setdefault(review_id, asyncio.Semaphore(_UPDATES_AT_ONCE)):
            answer: AssetReview = await activity.client().execute_update_with_start_workflow(
                REVIEW_UPDATE,
                ReviewRequest(reference=reference, waiter=activity.info().workflow_id),
                start_workflow_operation=start,
                result_type=AssetReview,
                rpc_timeout=_UPDATE_PATIENCE,
            )
        return answer
