"""`ReviewAsset`: one content of one account on its way through the provider's review, for all who need it.

The first who asks starts it, the others join by the update `review`. It remembers the verdict, so that the next run
gets the asset id at once, and submits an asset that has lapsed again.
"""

import asyncio
from datetime import datetime, timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue, VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.upload_assets import UploadAssets
from manxue.answers import AssetState
from manxue.asset_review import (
    ASSET_QUERY,
    ASSET_REVIEWED_SIGNAL,
    FORGET_UPDATE,
    REVIEW_ASSET,
    REVIEW_UPDATE,
    AssetReview,
    AssetToReview,
)
from manxue.failure import FailureType
from manxue.markdown import code, text
from manxue.redact import redact
from workflows import metrics, policies
from workflows.details import clock
from workflows.failures import cause_of
from workflows.policies import (
    ASSET_STATE,
    LOOK_AGAIN,
    LOOK_AGAIN_AFTER,
    REVIEW_FIRST_WAIT,
    REVIEW_LONGEST_WAIT,
    REVIEW_PATIENCE,
    UPLOAD_ASSETS,
    told,
)
from workflows.review_state import ReviewState, read_request
from workflows.run_input import NO_ARGUMENT

_ENDING = "ReviewEnding"
_UPLOADS = 3
"""How often an asset is submitted that the provider's answer left out, or that lapsed during its review."""


# A wrong argument must end the execution instead of failing its tasks for ever.
@workflow.defn(
    name=REVIEW_ASSET,
    failure_exception_types=[ValidationError, TypeError],
    versioning_behavior=VersioningBehavior.AUTO_UPGRADE,  # it lives for weeks: no old worker should have to
)
class ReviewAsset:
    """Uploads, waits for the verdict, tells who waits, and remembers."""

    @workflow.init
    def __init__(self, asset: AssetToReview, continued: ReviewState | None = None) -> None:
        now = workflow.now()
        beginning = AssetReview(review_id=workflow.info().workflow_id, state="reviewing", since=now)
        self._state = continued or ReviewState(asset=asset, review=beginning, asked_at=now)
        self._looking = self._forgotten = self._canceled = False

    @workflow.run
    async def run(self, asset: AssetToReview, continued: ReviewState | None = None) -> AssetReview:
        """Ends when nobody has asked for `keep`, when it is to forget, or when there is no verdict."""
        try:
            return await self._serve(asset)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                self._canceled = True
                await self._wake_waiters()  # they ask again, which starts another review
            raise

    async def _serve(self, asset: AssetToReview) -> AssetReview:
        while True:
            if self._state.review.state == "reviewing":
                await self._review()
            if self._state.review.state == "failed" or not await self._is_wanted_again():
                await workflow.wait_condition(workflow.all_handlers_finished)
                return self._state.review
            if workflow.info().get_current_history_length() > policies.EVENTS_PER_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(args=[asset, self._state], memo=self._memo())

    async def _is_wanted_again(self) -> bool:
        """Wait for something to do; False when the verdict need not be kept any longer."""

        def something() -> bool:
            long = workflow.info().get_current_history_length() > policies.EVENTS_PER_RUN
            wanted = self._forgotten or self._state.review.state == "reviewing" or long
            # Answers first: by the version of Python they would come before the timer's end or after it.
            return wanted and workflow.all_handlers_finished()

        while True:
            end = self._state.asked_at + self._state.asset.keep
            left, summary = end - workflow.now(), f"{self._state.review.state}; remembered until {clock(end)}"
            try:
                await workflow.wait_condition(something, timeout=max(left, timedelta(0)), timeout_summary=summary)
                return not self._forgotten
            except TimeoutError:
                if workflow.now() >= self._state.asked_at + self._state.asset.keep:  # nobody has asked meanwhile
                    return False

    async def _review(self) -> None:
        """To a verdict, and on to everybody who waits for it."""
        since = self._state.review.since
        try:
            verdict = await self._verdict(workflow.now() + REVIEW_PATIENCE)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            verdict = self._failed(error)
        metrics.review_ended(verdict.state, self._state.asset.kind, verdict.since - since)
        self._enter(verdict)
        await self._wake_waiters()

    async def _wake_waiters(self) -> None:
        waiters, self._state.waiters = list(dict.fromkeys(self._state.waiters)), []
        for start in range(0, len(waiters), 500):  # Temporal's limit is 2,000 at a time
            await asyncio.gather(*(self._tell(waiter) for waiter in waiters[start : start + 500]))

    async def _verdict(self, deadline: datetime) -> AssetReview:
        for _ in range(_UPLOADS):
            asset_id, refusal = await self._upload()
            if refusal is not None:
                return self._new("refused", reason=refusal)
            wait, lapsed = REVIEW_FIRST_WAIT, False
            if not asset_id:
                await workflow.sleep(wait, summary=f"left out of the answer; submit again in {wait.seconds} s")
            while asset_id and not lapsed:
                if workflow.now() > deadline:
                    return self._new("failed", reason="no verdict in time", failure=FailureType.DEADLINE_EXCEEDED)
                next_look = f"Next: a look at {clock(workflow.now() + wait)}."
                self._show(f"The asset {code(asset_id)} is under review at the provider. {next_look}")
                await workflow.sleep(wait, summary=f"under review; next look in {wait.total_seconds():.0f} s")
                match await self._look_up(asset_id):
                    case AssetState.ACTIVE:
                        self._state.looked_at = workflow.now()
                        return self._new("active", asset_id=asset_id)
                    case AssetState.FAILED:
                        return self._new("refused", reason="refused by the review")
                    case AssetState.EXPIRED | AssetState.DELETED:
                        lapsed = True
                wait = min(wait * 1.5, REVIEW_LONGEST_WAIT)
        reason = f"the provider left it out of its answers, or let it lapse during its review, {_UPLOADS} times"
        return self._new("failed", reason=reason, failure=FailureType.ASSET_REFUSED)

    async def _upload(self) -> tuple[str | None, str | None]:
        """The asset id, or the reason of a refusal; neither when the answer leaves the asset out."""
        asset = self._state.asset
        answer = await workflow.execute_activity_method(
            UploadAssets.upload_assets,
            asset,
            **told(UPLOAD_ASSETS, f"submit the {asset.kind} for review"),
        )
        self._state.uploaded(asset.reference, answer.refusal)
        return answer.asset_id, answer.refusal

    async def _look_up(self, asset_id: str) -> AssetState | None:
        return await workflow.execute_activity_method(
            UploadAssets.asset_state, asset_id, **told(ASSET_STATE, f"look up the review of {asset_id}")
        )

    def _failed(self, error: ActivityError) -> AssetReview:
        cause = cause_of(error)
        known = cause.type if cause and cause.type in list(FailureType) else None
        kind = FailureType(known) if known else FailureType.DEADLINE_EXCEEDED
        reason = cause.message if cause else str(error.cause)
        return self._new("failed", reason=reason, failure=kind)

    async def _tell(self, waiter: str) -> None:
        try:
            await workflow.get_external_workflow_handle(waiter).signal(ASSET_REVIEWED_SIGNAL)
        except FailureError:
            workflow.logger.debug("asset.waiter_gone", extra={"waiter": waiter})

    def _new(self, state: str, **more: object) -> AssetReview:
        fields = {"review_id": workflow.info().workflow_id, "state": state, "since": workflow.now(), **more}
        return AssetReview.model_validate(fields)

    def _enter(self, review: AssetReview) -> None:
        self._state.review = review
        told_as = f" as {code(review.asset_id)}" if review.asset_id else ""
        self._show(f"**{review.state}**{told_as} since {clock(review.since)}. {text(review.reason or '')}")
        workflow.upsert_memo(self._memo())

    def _memo(self) -> dict[str, object]:
        """What lists show."""
        state, review = self._state, self._state.review
        known = {"reference": redact(state.asset.reference), "references": state.references}
        return {"state": review.state, "asset_id": review.asset_id, "reason": review.reason, **known}

    def _show(self, markdown: str) -> None:
        workflow.set_current_details(f"{markdown}\n\n{text(redact(self._state.asset.reference))}")

    @workflow.update(name=REVIEW_UPDATE, description="Ask for the verdict: a ReviewRequest")
    async def review(self, raw: RawValue = NO_ARGUMENT) -> AssetReview:
        """Where the review is; a verdict that is old is looked up first. Takes a ReviewRequest as JSON."""
        asked, state = read_request(raw), self._state
        if self._canceled:
            raise ApplicationError("the review was cancelled; ask again in a moment", type=_ENDING)
        state.asked_at = workflow.now()
        if not state.is_refused(asked.reference):
            state.asset = state.asset.model_copy(update={"reference": asked.reference})
        self._remember(redact(asked.reference))
        await workflow.wait_condition(lambda: not self._looking)
        if state.review.state == "active" and state.looked_at and workflow.now() > state.looked_at + LOOK_AGAIN_AFTER:
            await self._look_again(str(state.review.asset_id))
        untried = state.untried(asked.reference) if state.review.state == "refused" else None
        if untried and workflow.patched(untried):
            self._enter(self._new("reviewing"))
        if state.review.state == "reviewing" and asked.waiter:
            state.waiters.append(asked.waiter)
        return state.review

    def _remember(self, reference: str) -> None:
        """Where lists look for it. Costs an event the first time only."""
        if self._state.remember(reference) and len(self._state.references) > 1:  # the first is in the memo already
            workflow.upsert_memo(self._memo())

    async def _look_again(self, asset_id: str) -> None:
        self._looking = True
        try:
            found = await workflow.execute_activity_method(
                UploadAssets.asset_state, asset_id, **told(LOOK_AGAIN, f"is {asset_id} still active?")
            )
        except ActivityError:
            return  # the provider is away; the remembered answer is the best there is
        finally:
            self._looking = False
        if found in (AssetState.EXPIRED, AssetState.DELETED):
            self._enter(self._new("reviewing"))
        elif found is AssetState.FAILED:
            self._enter(self._new("refused", reason="refused by the review"))
        elif found is AssetState.ACTIVE:
            self._state.looked_at = workflow.now()

    @workflow.update(name=FORGET_UPDATE, description="Forget the verdict: the next request submits the asset anew")
    def forget(self) -> AssetReview:
        """End as soon as nothing is under way."""
        self._forgotten = True
        return self._state.review

    @workflow.query(name=ASSET_QUERY, description="Where the review is, as an AssetReview")
    def asset(self) -> AssetReview:
        """Where the review is."""
        return self._state.review
