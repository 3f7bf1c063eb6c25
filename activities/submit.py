"""The one call that costs money. One attempt; whether there is another is the workflow's decision alone."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from pydantic import BaseModel
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.earlier_submissions import RunsNotListed, earlier_submissions
from activities.errors import NOT_SENT, RATE_LIMITED, final
from activities.media_references import reachable
from activities.submission_record import (
    Interrupted,
    NotWanted,
    RecordKeeper,
    SubmissionRecord,
    read_record,
    until_answered,
)
from manxue.checked_request import CheckedRequest
from manxue.client import ManxueClient
from manxue.errors import AuthenticationFailed, InsufficientBalance, ManxueError, NotSent, RateLimited, Refused
from manxue.failure import FailureDetails, FailureType
from manxue.problem import problem

log = structlog.stdlib.get_logger("submit")

NOTHING_BOUGHT = frozenset(
    {
        NOT_SENT,
        RATE_LIMITED,
        FailureType.AUTHENTICATION_FAILED,
        FailureType.INSUFFICIENT_BALANCE,
        FailureType.SUBMISSION_REFUSED,
        FailureType.MEDIA_REJECTED,
        FailureType.INVALID_REQUEST,
    }
)
"""Failure types of this activity that prove that the provider accepted nothing."""


class SubmitInput(BaseModel):
    """What to buy."""

    request: CheckedRequest
    fingerprint: str
    """Of the request as the caller gave it, to tell it from another one under the same workflow id."""
    ancestors: list[str] = []
    """Ids of runs that this one was reset from or continues."""
    decided: int = 0
    """Of how many create calls with an unknown outcome somebody has decided that they do not stand in the way."""


class Submitted(BaseModel):
    """An accepted task."""

    task_id: str
    earlier_run: str | None = None
    """The run id of the earlier run that bought it, when this run bought nothing."""


class Submit:
    """Sends create calls through the worker's one client."""

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue

    @activity.defn(name="submit")
    async def submit(self, given: SubmitInput) -> Submitted:
        """Fails with a type of NOTHING_BOUGHT, or with SubmissionUnknown when nobody can know."""
        record = RecordKeeper()
        try:
            found = await self._already_submitted(given)
            if found:
                return found
            body = await self._body(given.request)
            await record.write(SubmissionRecord(state="sending"))
        except RPCError as error:
            # Nothing is sent, but the record may say otherwise: it is the failure's type that tells.
            raise _not_sent(f"Temporal did not acknowledge the record ({error.message})") from None
        except (asyncio.CancelledError, NotWanted):
            raise _not_sent("the run was cancelled, or the worker stopped, before anything was sent") from None
        async with record.beating():
            task_id = await self._post(body)
            # Whatever happens from here on, the id is known and is returned; should even that fail, it is in the log.
            log.info("submission.accepted", task_id=task_id)
            # By ourselves: the SDK tries to report a return for ten seconds, and a server may be away for longer.
            submitted = Submitted(task_id=task_id)
            with suppress(RPCError, TimeoutError, Interrupted):
                await until_answered(record.complete(task_id, submitted))
                activity.raise_complete_async()
        return submitted

    async def _body(self, request: CheckedRequest) -> dict[str, Any]:
        urls = await reachable([*request.images(), *request.reference_videos, *request.reference_audios])
        return request.with_media(urls).body()

    async def _post(self, body: dict[str, Any]) -> str:
        try:
            return (await until_answered(self._manxue.create(body))).id
        except ManxueError as error:
            raise _failure(error) from None
        except Interrupted:
            raise _unknown("the worker was stopped while it waited for the provider's answer") from None

    async def _already_submitted(self, given: SubmitInput) -> Submitted | None:
        info = activity.info()
        if info.workflow_id is None or info.workflow_run_id is None:
            return None
        record = read_record(info.heartbeat_details)
        if record and record.task_id:
            return Submitted(task_id=record.task_id)
        if record or info.current_attempt_scheduled_time != info.scheduled_time:
            # `temporal activity reset` starts even an activity of one attempt again.
            raise _unknown("this activity was started before and may have sent its create call")
        try:
            earlier = await earlier_submissions(
                activity.client(), info.workflow_id, info.workflow_run_id, given.ancestors, NOTHING_BOUGHT
            )
        except (RPCError, RunsNotListed) as error:
            raise _not_sent(f"earlier runs cannot be read ({error})") from None
        for run in earlier:
            if run.fingerprint not in (None, given.fingerprint):
                message = (
                    f"the workflow id {info.workflow_id} has already submitted another request (run {run.run_id}, task "
                    f"{run.task_id or 'unknown'}); start this one under a workflow id of its own"
                )
                other = problem("workflow id", "conflict", info.workflow_id, message)
                raise final(FailureType.INVALID_REQUEST, message, FailureDetails(problems=[other], task_id=run.task_id))
        for run in earlier:
            if run.task_id:
                return Submitted(task_id=run.task_id, earlier_run=run.run_id)
        for run in earlier:
            if run.unknown > given.decided:
                raise _unknown(f"the earlier run {run.run_id} may have sent its create call; its outcome is unknown")
        return None


def _failure(error: ManxueError) -> ApplicationError:
    """What an answer to a create call means for the workflow."""
    match error:
        case NotSent():
            return _not_sent(str(error))
        case RateLimited():
            return ApplicationError(
                str(error), {"retry_after": error.retry_after}, type=RATE_LIMITED, non_retryable=True
            )
        case AuthenticationFailed():
            return final(FailureType.AUTHENTICATION_FAILED, str(error))
        case InsufficientBalance():
            return final(FailureType.INSUFFICIENT_BALANCE, str(error))
        case Refused():
            return final(FailureType.SUBMISSION_REFUSED, str(error))
        case _:
            return _unknown(str(error))


def _not_sent(why: str) -> ApplicationError:
    return ApplicationError(why, type=NOT_SENT, non_retryable=True)


def _unknown(why: str) -> ApplicationError:
    return final(FailureType.SUBMISSION_UNKNOWN, why)
