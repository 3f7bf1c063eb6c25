"""Assets under the provider's review, each one execution of `ReviewAsset`: asking for them, finding them, forgetting.

The command line knows neither the account nor what is behind a URL, so a worker asks for it: its activity
`review_assets`, run by itself. Prints nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from pydantic import BaseModel
from temporalio import exceptions
from temporalio.client import ActivityFailureError, Client, WorkflowExecution, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import TimeoutType
from temporalio.service import RPCError, RPCStatusCode

from connection import TemporalUnavailable
from manxue.asset_review import ASSET_QUERY, FORGET_UPDATE, REVIEW_ASSET, AssetReview, Kind
from manxue.redact import redact
from manxue.vocabulary import ASSET_SCHEME
from starter.execution import Execution, NotPossible, NoWorkerAnswers, describe, no_worker

_REVIEW_ASSETS = "review_assets"
_RUNNING = f"WorkflowType = '{REVIEW_ASSET}' AND ExecutionStatus = 'Running'"
_TO_START = timedelta(seconds=15)
"""A worker with a free slot takes the activity at once."""
_PER_ATTEMPT, _HEARTBEAT, _ATTEMPTS = timedelta(minutes=3), timedelta(seconds=30), 4


class ReviewNotFound(Exception):
    """No review is known by this name, or several are; the text says what to do."""


class ListedAsset(BaseModel):
    """One asset, as lists show it."""

    reference: str
    """The latest under which it was asked for, without a query string."""
    references: list[str] = []
    """All of them, up to 20."""
    review_id: str
    """The workflow id of its review."""
    state: str
    """As in `AssetReview`."""
    asset_id: str | None
    reason: str | None
    started_at: datetime
    """When its review began."""


@dataclass(frozen=True)
class Review(Execution):
    """One review, by its workflow id."""

    @classmethod
    async def find(cls, client: Client, review_id: str) -> Self:
        """Look a review up, be it over or not. Raises ReviewNotFound."""
        description = await describe(client, review_id)
        if description is None or description.workflow_type != REVIEW_ASSET:
            raise _unknown(client, review_id)
        return cls(client.get_workflow_handle(review_id), description)

    async def asset(self) -> AssetReview:
        """Where it is. Raises NoWorkerAnswers and NotPossible."""
        answer: AssetReview = await self.query(ASSET_QUERY, AssetReview)
        return answer

    async def verdict(self, silent: Callable[[NoWorkerAnswers], None]) -> AssetReview:
        """Wait for it, telling `silent` while no worker answers. Raises NotPossible when somebody ended the review."""
        looks = 0
        while True:
            status = (await self.handle.describe()).status
            try:
                review = await self.asset()
                if review.state != "reviewing":
                    return review
            except NoWorkerAnswers as silence:
                silent(silence)
            if status is not self.description.status:
                raise NotPossible(f"the review {self.id} was ended from outside; ask again: manxue assets add")
            looks += 1
            await asyncio.sleep(min(1 + looks / 60, 5))

    async def forget(self) -> None:
        """Let the next request submit the asset anew. Raises NotPossible and NoWorkerAnswers."""
        await self.update(FORGET_UPDATE)

    async def listed(self, review: AssetReview | None = None) -> ListedAsset:
        """As lists show it, with `review` in place of what they know."""
        known = await listed(self.handle, self.description)
        return known if review is None else known.model_copy(update=review.model_dump(include=_SHOWN))


_SHOWN = {"state", "asset_id", "reason"}


async def ask(client: Client, task_queue: str, media: Mapping[str, Kind]) -> dict[str, AssetReview]:
    """Start the reviews of `media`, or join them: reference -> where its review is now.

    Raises NoWorkerAnswers, and TemporalUnavailable when a worker has tried in vain.
    """
    try:
        answer: dict[str, AssetReview] = await client.execute_activity(
            _REVIEW_ASSETS,
            {"references": dict(media)},
            id=f"assets-add-{uuid4().hex}",
            task_queue=task_queue,
            result_type=dict[str, AssetReview],
            schedule_to_start_timeout=_TO_START,
            start_to_close_timeout=_PER_ATTEMPT,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=RetryPolicy(maximum_attempts=_ATTEMPTS),
            summary=f"ask for the review of {len(media)} assets",
        )
    except ActivityFailureError as error:
        if isinstance(error.cause, exceptions.TimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START:
            raise no_worker(task_queue, client.namespace) from error
        raise TemporalUnavailable(f"the worker could not ask for the reviews: {error.cause}") from error
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
        raise TemporalUnavailable("this Temporal server is too old for it: it runs no standalone activities") from error
    return answer


async def known_assets(client: Client) -> AsyncIterator[ListedAsset]:
    """Every asset that is under review or remembered, the latest review first."""
    async for execution in client.list_workflows(_RUNNING):
        yield await listed(client.get_workflow_handle(execution.id), execution)


async def find(client: Client, name: str) -> Review:
    """The review with that workflow id, or the one that is not over of that reference or asset id.

    Raises ReviewNotFound.
    """
    if "://" not in name:
        with suppress(ReviewNotFound):
            return await Review.find(client, name)
    wanted = redact(name)
    same = [
        asset.review_id
        async for asset in known_assets(client)
        if wanted in (asset.reference, *asset.references)
        or (asset.asset_id and wanted.removeprefix(ASSET_SCHEME) == asset.asset_id)
    ]
    if len(same) > 1:
        raise ReviewNotFound(f"{len(same)} reviews are known of {wanted}; name one by its id: {', '.join(same)}")
    if not same:
        raise _unknown(client, wanted)
    return await Review.find(client, same[0])


def _unknown(client: Client, name: str) -> ReviewNotFound:
    return ReviewNotFound(f"no review of {name} is known in the namespace {client.namespace}")


async def listed(handle: WorkflowHandle[Any, Any], execution: WorkflowExecution) -> ListedAsset:
    """What the memo tells, which is there from the first verdict on; before it, the summary names the reference."""
    memo = await execution.memo()
    reference = memo.get("reference")
    if reference is None:
        summary = await (await handle.describe()).static_summary() or ""
        reference = redact(summary.partition(" · ")[2])
    return ListedAsset(
        reference=reference,
        references=memo.get("references") or [],
        review_id=execution.id,
        state=memo.get("state", "reviewing"),
        asset_id=memo.get("asset_id"),
        reason=memo.get("reason"),
        started_at=execution.start_time,
    )
