"""`GenerateVideo`: the story of one render, from a request to a verified file."""

import asyncio

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeKey, VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.validate import ValidateInput
from manxue.admission import ADMITTED_SIGNAL
from manxue.asset_review import ASSET_REVIEWED_SIGNAL
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureType
from manxue.problem import problem
from manxue.vocabulary import ASSET_SCHEME
from workflows import metrics, policies, steps, upgrade
from workflows.contract import (
    GENERATE_VIDEO,
    POLL_NOW_UPDATE,
    PROGRESS_QUERY,
    RESOLVE_SUBMISSION_UPDATE,
    Phase,
    Preview,
    Progress,
    Video,
    VideoResult,
)
from workflows.failures import end_by
from workflows.journal import Journal, time_of_query
from workflows.notifications import Notifications
from workflows.review import Review, media_to_review
from workflows.run_input import NO_ARGUMENT, ArgumentCount, continued_state, read_input, read_resolution, receivers
from workflows.run_state import ContinuedRun
from workflows.submission import Submission
from workflows.summaries import assets
from workflows.turn import Turn
from workflows.waiting import Waiting

_PLANNED_FOR = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Set by the server on runs of a schedule: the time before jitter, of a backfill the past one, of a trigger its own. To
the second, as in the workflow id; a reset keeps it."""


@workflow.defn(name=GENERATE_VIDEO, versioning_behavior=VersioningBehavior.PINNED)
class GenerateVideo:
    """Generates one video: checked before it is paid for, paid for once, waited for, verified, delivered."""

    def __init__(self) -> None:
        self._journal = Journal()
        self._asset_review = Review(self._journal)
        self._turn = Turn(self._journal)
        self._notifications = Notifications(self._journal)
        self._submission = Submission(self._journal, self._turn, self._notifications)

    @workflow.run
    async def run(self, raw: RawValue) -> VideoResult:
        """Takes one `GenerateVideoInput` as JSON, and anything else: that fails with InvalidRequest."""
        try:
            await self._begin(raw)
            request = await self._review()
            await self._submit(request)
            await self._wait()
            await self._download()
            return await self._complete()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._turn.leave()
            await self._notifications.canceled()
            self._journal.cancel()
            raise
        except ApplicationError as error:
            await self._turn.leave(error.type)
            await self._notifications.failed(error)
            self._journal.fail(error)
            raise
        finally:
            await workflow.wait_condition(workflow.all_handlers_finished)

    async def _begin(self, raw: RawValue | ArgumentCount) -> None:
        if state := continued_state(raw):
            self._journal.resume(state)
            return
        journal, state = self._journal, self._journal.state
        journal.enter(Phase.VALIDATING, "The request is being checked.")
        info = workflow.info()
        read = read_input(raw, info.workflow_id, info.typed_search_attributes.get(_PLANNED_FOR))
        state.notify = receivers(read)
        try:
            checked = await steps.validate(
                ValidateInput(
                    request=read.fields.get("request"),
                    request_given="request" in read.fields,
                    extra=read.fields.get("extra"),
                    allow_unknown_model=read.fields.get("allow_unknown_model") is True,
                    strict_media=read.fields.get("strict_media") is True,
                    output=read.fields.get("output"),
                    probe_media=read.fields.get("task_id") is None,  # they may have gone since the task was created
                    notify=[target.url for target in state.notify],
                    problems=read.problems,
                ),
                read.given,
            )
        except ActivityError as error:
            end_by(error, FailureType.DEADLINE_EXCEEDED)
        state.given, state.request, state.warnings = read.given, checked.request, checked.warnings
        state.render_times, state.admission_id = checked.render_times, checked.admission_id
        state.polls_may_wait, state.polls_wait = checked.polls_may_wait, checked.polls_wait
        metrics.run_checked(state)

    async def _review(self) -> CheckedRequest:
        """Media that need it go through the asset library; the request comes back with `asset://` in their place."""
        state = self._journal.state
        assert state.given
        assert state.request
        if state.assets is None:
            media = media_to_review(state.request, state.given)
            if media and not state.given.task_id:
                self._journal.enter(Phase.REVIEWING_ASSETS, f"{assets(len(media))} to be reviewed by the provider.")
                state.assets = await self._asset_review.run(media, state.given)
            else:
                state.assets = {}
        return state.request.with_media({reference: ASSET_SCHEME + a for reference, a in state.assets.items()})

    async def _submit(self, request: CheckedRequest) -> None:
        state = self._journal.state
        assert state.given
        if state.task_id is None:
            if state.given.task_id:
                state.task_id, state.adopted, state.poll_requested = state.given.task_id, True, True
                state.accepted_earlier = True
            else:
                if state.phase != Phase.SUBMITTING:  # else it continued as new while it waited for its turn
                    self._journal.enter(Phase.SUBMITTING, "The task is being submitted to the provider.")
                state.task_id = await self._submission.run(request, self._make_room)
            state.submitted_at = workflow.now()
            self._journal.enter(Phase.QUEUED, "The provider has accepted the task.")
        # A cancellation that came during the create call waited for its answer.
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError

    async def _wait(self) -> None:
        if self._journal.state.phase in (Phase.QUEUED, Phase.RENDERING):
            await Waiting(self._journal).run(self._make_room)
            await self._turn.leave()

    async def _download(self) -> None:
        state = self._journal.state
        self._journal.enter(Phase.DOWNLOADING, "The video is being downloaded and checked.")
        try:
            downloaded = await steps.download(state)
        except ActivityError as error:
            end_by(error, FailureType.DOWNLOAD_FAILED, state.task_id)
        facts = downloaded.facts.model_dump()
        state.video = Video(uri=downloaded.uri, bytes=downloaded.bytes, sha256=downloaded.sha256, **facts)
        if downloaded.renamed:
            hint = "another file had this name; it was kept, and the task id added"
            state.warnings = [*state.warnings, problem("name", "conflict", downloaded.uri, hint)]
        state.warnings = [*state.warnings, *downloaded.warnings]
        state.preview = Preview(**downloaded.preview.model_dump()) if downloaded.preview else None
        state.manifest_uri = downloaded.manifest_uri

    async def _complete(self) -> VideoResult:
        await self._notifications.completed(self._result)
        assert self._journal.state.video
        self._journal.complete(self._journal.state.video.uri)
        return self._result()

    def _result(self) -> VideoResult:
        state = self._journal.state
        assert state.request
        assert state.task_id
        assert state.video
        assert state.manifest_uri
        return VideoResult(
            task_id=state.task_id,
            model=state.request.model,
            mode=state.request.mode,
            video=state.video,
            preview=state.preview,
            manifest_uri=state.manifest_uri,
            provider=state.provider,
            timeline=state.timeline,
            polls=state.polls,
            assets=state.assets or {},
            warnings=state.warnings,
            notifications=state.notifications,
        )

    async def _make_room(self) -> None:
        """Continue as new before the history grows long or for an upgrade, but never past an update with a waiter."""
        state = self._journal.state
        if workflow.info().get_current_history_length() < policies.EVENTS_PER_RUN and not upgrade.is_due():
            return
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() or state.poll_requested)
        await self._notifications.started()
        if not state.poll_requested:
            upgrade.continue_as_new(ContinuedRun(continued=state))

    def current_details(self) -> str:
        """For the Web UI."""
        return self._journal.details()

    @workflow.query(name=PROGRESS_QUERY, description="Where the run is, as a Progress object")
    def progress(self) -> Progress:
        """Where the run is."""
        return self._journal.progress(time_of_query())

    @workflow.signal(name=ASSET_REVIEWED_SIGNAL, description="The review of an asset has come to its end")
    def asset_reviewed(self, _: RawValue = NO_ARGUMENT) -> None:
        """Ask for the reviews anew. What the signal says does not count: anybody may have sent it."""
        self._asset_review.wake()

    @workflow.signal(name=ADMITTED_SIGNAL, description="The create call may be sent")
    def admitted(self, raw: RawValue = NO_ARGUMENT) -> None:
        """It is this run's turn at the account."""
        self._turn.admitted(raw)

    @workflow.update(name=POLL_NOW_UPDATE, description="Ask the provider now instead of at the next timer")
    async def poll_now(self) -> Progress:
        """Ask the provider now, and answer with what it said. In other phases: the progress, at once."""
        await workflow.wait_condition(lambda: self._journal.open)
        state = self._journal.state
        if state.phase in (Phase.QUEUED, Phase.RENDERING):
            state.poll_requested, asked = True, state.polls
            await workflow.wait_condition(
                lambda: state.polls > asked or state.phase not in (Phase.QUEUED, Phase.RENDERING)
            )
        return self._journal.progress(workflow.now())

    @workflow.update(
        name=RESOLVE_SUBMISSION_UPDATE, description='{"action": "adopt", "task_id": ...} or "resubmit" or "abandon"'
    )
    def resolve_submission(self, raw: RawValue = NO_ARGUMENT) -> None:
        """Decide what becomes of a submission whose outcome nobody knows. Takes one `Resolution` as JSON."""
        self._submission.resolve(read_resolution(raw))

    @resolve_submission.validator
    def _check_resolution(self, raw: RawValue = NO_ARGUMENT) -> None:
        read_resolution(raw)
        self._submission.check()
