"""The activities as the story calls them: each with its policy, its priority and a summary for the Web UI."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority

from activities.ask_admission import AskAdmission, AskAdmissionInput
from activities.download import Download, Downloaded, DownloadInput
from activities.poll import Poll
from activities.poll_attempt import Further, PollAnswer
from activities.review_assets import AssetsToReview, ReviewAssets
from activities.submit import Submit, SubmitInput, Submitted
from activities.validate import Validate, Validated, ValidateInput
from manxue.admission import Admission
from manxue.asset_review import AssetReview, Kind
from manxue.checked_request import CheckedRequest
from workflows.contract import GenerateVideoInput
from workflows.policies import (
    ASK_ADMISSION,
    DOWNLOAD,
    POLL,
    POLL_PATIENCE,
    REVIEW_ASSETS,
    SUBMIT,
    VALIDATE,
    asking_further,
    told,
)
from workflows.queues import downloads_of
from workflows.run_state import RunState
from workflows.summaries import assets, polls

_TURNS = 5
"""Of the event loop: more than an activity's result needs to get from the server's news to its handle."""


async def validate(given: ValidateInput, meant: GenerateVideoInput | None) -> Validated:
    """Check everything that can be checked for free. `meant` are the fields, where they could be read."""
    config = told(VALIDATE, "check the request, its media and the output", _priority(meant) if meant else None)
    return await workflow.execute_activity_method(Validate.validate, given, **config)


async def review_assets(
    media: dict[str, Kind], known: dict[str, str], given: GenerateVideoInput, patience: timedelta
) -> dict[str, AssetReview]:
    """Ask for the reviews of media, trying again for as long as `patience`. `known` are ids of reviews."""
    summary = f"ask for the provider's review of {assets(len(media))}"
    return await workflow.execute_activity_method(
        ReviewAssets.review_assets,
        AssetsToReview(references=media, known=known),
        **told(REVIEW_ASSETS, summary, _priority(given), patience),
    )


def ask_admission(state: RunState, again: bool, patience: timedelta) -> workflow.ActivityHandle[Admission | None]:
    """Ask for the run's turn, or with `again` for its place, trying for as long as `patience`."""
    assert state.given
    assert state.turn
    given = AskAdmissionInput(
        ticket=state.turn.ticket,
        number=state.turn.number,
        tenant=state.given.tenant,
        priority=state.given.priority,
        again=again,
    )
    summary = "look up the place in the queue" if again else "ask for a turn at the provider's account"
    config = told(ASK_ADMISSION, summary, _priority(state.given), patience)
    return workflow.start_activity_method(AskAdmission.ask_admission, given, **config)


async def submit(request: CheckedRequest, state: RunState) -> Submitted:
    """Send the create call, once. A cancellation meanwhile does not lose its outcome."""
    assert state.given
    assert state.request
    info = workflow.info()
    given = SubmitInput(
        request=request,
        fingerprint=state.request.fingerprint(),
        ancestors=[info.original_execution_run_id, info.first_execution_run_id],
        decided=state.decided,
    )
    again = " again, as decided" if state.decided else ""
    summary = f"create a {request.duration} s video with {request.model}{again}"
    config = told(SUBMIT, summary, _priority(state.given))
    submission = workflow.start_activity_method(Submit.submit, given, **config)
    try:
        return await asyncio.shield(submission)
    except asyncio.CancelledError:
        # Outcome and cancellation can come in one workflow task; cancelling then would make the SDK drop the outcome.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if not submission.done():
            submission.cancel()  # ends at once what no worker has yet; what a worker has is waited for
        return await submission


def poll(state: RunState, patience: timedelta, given_up: int = 0) -> workflow.ActivityHandle[PollAnswer]:
    """Ask how the task is, trying again for as long as `patience`, but a little while in any case.

    Not before `state.poll_begins`, and again at each of `state.polls_ahead`, while the provider says nothing new.
    `given_up` are questions that were asked before it and are not counted yet.
    """
    assert state.given
    assert state.task_id
    summary = polls(state, state.polls + given_up + 1)
    config = told(POLL, summary, _priority(state.given), max(patience, POLL_PATIENCE))
    given: list[Any] = [state.task_id]
    if state.planned:
        since, word = state.submitted_at, state.provider_status or ""
        assert since
        given.append(
            Further(since=since, seconds=state.polls_ahead, word=word, percent=state.percent, first=state.poll_begins)
        )
        config = asking_further(config, [workflow.now(), *state.planned])
    return workflow.start_activity_method(Poll.poll, args=given, **config)


async def download(state: RunState) -> Downloaded:
    """Bring the file to its place."""
    assert state.given
    assert state.request
    assert state.task_id
    given = DownloadInput(
        task_id=state.task_id,
        request=state.request,
        output=state.given.output,
        name=state.given.name,
        preview=state.given.preview,
        story=_story(state),
    )
    config = told(DOWNLOAD, f"download and check the video of task {state.task_id}", _priority(state.given))
    config["task_queue"] = downloads_of(workflow.info().task_queue)
    return await workflow.execute_activity_method(Download.download, given, **config)


def _story(state: RunState) -> dict[str, Any]:
    return {
        "timeline": {phase: moment.isoformat() for phase, moment in state.timeline.items()},
        "polls": state.polls,
        "assets": state.assets or {},
        "warnings": [warning.model_dump(mode="json") for warning in state.warnings],
    }


def _priority(given: GenerateVideoInput) -> Priority:
    return Priority(priority_key=given.priority, fairness_key=given.tenant)
