"""The activities as the story calls them: each with its policy, its priority and a summary for the Web UI."""

import hashlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority
from temporalio.workflow import ActivityConfig

from activities.download import Download, Downloaded, DownloadInput
from activities.poll import Poll, PollAnswer
from activities.submit import Submit, SubmitInput, Submitted
from activities.upload_assets import AssetsToUpload, UploadAssets, UploadedAssets
from activities.validate import Validate, Validated, ValidateInput
from manxue.answers import AssetState
from manxue.checked_request import CheckedRequest
from workflows.contract import GenerateVideoInput
from workflows.policies import ASSET_STATES, DOWNLOAD, POLL, POLL_PATIENCE, SUBMIT, UPLOAD_ASSETS, VALIDATE
from workflows.run_state import RunState


async def validate(given: ValidateInput) -> Validated:
    """Check everything that can be checked for free."""
    return await workflow.execute_activity_method(Validate.validate, given, **_told(VALIDATE, "check the request"))


async def upload_assets(assets: AssetsToUpload, given: GenerateVideoInput, patience: timedelta) -> UploadedAssets:
    """Submit media for review, trying again for as long as `patience`."""
    return await workflow.execute_activity_method(
        UploadAssets.upload_assets,
        assets,
        **_told(UPLOAD_ASSETS, f"submit {len(assets.all())} assets for review", given, patience),
    )


async def asset_states(asset_ids: list[str], given: GenerateVideoInput, patience: timedelta) -> dict[str, AssetState]:
    """Look up reviews, trying again for as long as `patience`."""
    return await workflow.execute_activity_method(
        UploadAssets.asset_states,
        asset_ids,
        **_told(ASSET_STATES, f"look up the review of {len(asset_ids)} assets", given, patience),
    )


async def submit(request: CheckedRequest, state: RunState, *, resubmit: bool) -> Submitted:
    """Send the create call, once."""
    assert state.given
    assert state.request
    info = workflow.info()
    given = SubmitInput(
        request=request,
        fingerprint=_fingerprint(state.request),
        ancestors=[info.original_execution_run_id, info.first_execution_run_id],
        resubmit=resubmit,
    )
    summary = f"create a {request.duration} s video with {request.model}"
    return await workflow.execute_activity_method(Submit.submit, given, **_told(SUBMIT, summary, state.given))


async def poll(state: RunState, patience: timedelta) -> PollAnswer:
    """Ask how the task is, trying again for as long as `patience`, but a little while in any case."""
    assert state.given
    assert state.task_id
    config = _told(POLL, f"poll {state.polls + 1}", state.given, max(patience, POLL_PATIENCE))
    return await workflow.execute_activity_method(Poll.poll, state.task_id, **config)


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
        story=_story(state),
    )
    config = _told(DOWNLOAD, "download and check the video", state.given)
    return await workflow.execute_activity_method(Download.download, given, **config)


def _story(state: RunState) -> dict[str, Any]:
    return {
        "timeline": {phase: moment.isoformat() for phase, moment in state.timeline.items()},
        "polls": state.polls,
        "assets": state.assets or {},
        "warnings": [warning.model_dump(mode="json") for warning in state.warnings],
    }


def _told(
    policy: ActivityConfig, summary: str, given: GenerateVideoInput | None = None, patience: timedelta | None = None
) -> ActivityConfig:
    """A policy with what only this call knows."""
    config = policy.copy()
    config["summary"] = summary
    if given is not None:
        config["priority"] = Priority(priority_key=given.priority, fairness_key=given.tenant)
    if patience is not None:
        config["schedule_to_close_timeout"] = patience
    return config


def _fingerprint(request: CheckedRequest) -> str:
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()
