"""The Nexus service `manxue`, which workers serve: workflows of other namespaces and teams call it as operations.

Whoever may use the endpoint reaches runs of `GenerateVideo` in this namespace, and nothing else. The names and types
are in workflows/nexus_contract.py.
"""

import json
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, TypeVar

from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import OperationHandler, StartOperationContext, operation_handler, service_handler, sync_operation
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from temporalio import nexus
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem, problem, sentence
from starter.client import FINGERPRINT, is_same_request, start_options
from starter.execution import NotPossible, NoWorkerAnswers
from starter.run import Run, RunNotFound
from workflows.contract import GENERATE_VIDEO, Progress, Resolution
from workflows.nexus_contract import GENERATE, PROGRESS, RESOLVE, SERVICE, GenerateInput, ProgressInput, ResolveInput
from workflows.run_input import judge, problems_of

_PATIENCE = 6.0
"""Seconds that the worker of a run has to answer: the server gives an operation's handler 10 s for all it does."""

M = TypeVar("M", bound=BaseModel)


class GenerateHandler(nexus.TemporalOperationHandler[RawValue, dict[str, Any]]):
    """Starts a run, joins one that has the id already, or answers with the result of one that has ended well."""

    async def start_operation(
        self,
        ctx: nexus.TemporalStartOperationContext,
        client: nexus.TemporalNexusClient,
        input: RawValue,  # noqa: A002 - the SDK's name
    ) -> nexus.TemporalOperationResult[dict[str, Any]]:
        given = _read(GenerateInput, input)
        # A start that is tried again, because its handler was lost, has the same request id.
        workflow_id = given.workflow_id or f"nexus-{ctx.request_id}"
        fields = given.input if isinstance(given.input, dict) else {}
        options = start_options(fields, judge(fields)[2])
        start = partial(client.start_workflow, GENERATE_VIDEO, given.input, id=workflow_id, **options)
        try:
            return await start(id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)
        except WorkflowAlreadyStartedError:
            run = await _look_up(workflow_id)
        if run is None or not await is_same_request(client.client, run, options["memo"][FINGERPRINT]):
            hint = "belongs to a run that was started with another request; give this one an id of its own"
            _refuse(HandlerErrorType.CONFLICT, [problem("workflow_id", "conflict", workflow_id, hint)])
        if run.description.status is WorkflowExecutionStatus.COMPLETED:
            return nexus.TemporalOperationResult.sync(await _result(run))
        # Of a run that ended without a video this starts another, which adopts what that one bought.
        return await start(id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)

    async def cancel_workflow_run(
        self, ctx: nexus.TemporalCancelOperationContext, options: nexus.CancelWorkflowRunOptions
    ) -> None:
        """Of everybody who waits for the run. The token may come from anybody, so the run is looked up."""
        await (await _find(options.workflow_id)).handle.cancel()

    async def cancel_activity(
        self, ctx: nexus.TemporalCancelOperationContext, options: nexus.CancelActivityOptions
    ) -> None:
        """No operation of this service has an activity behind it, but anybody can write such a token."""
        raise HandlerError("there is no such operation", type=HandlerErrorType.NOT_FOUND, retryable_override=False)


@service_handler(name=SERVICE)
class ManxueService:
    """For the worker's `nexus_service_handlers`. Takes any JSON, to say in its own words what is wrong with it."""

    @operation_handler(name=GENERATE)
    def generate(self) -> OperationHandler[RawValue, dict[str, Any]]:
        """Generate a video."""
        return GenerateHandler()

    @sync_operation(name=PROGRESS)
    async def progress(self, ctx: StartOperationContext, raw: RawValue) -> Progress:
        """Where a run is."""
        run = await _find(_read(ProgressInput, raw).workflow_id)
        try:
            return await run.progress()
        except (NoWorkerAnswers, NotPossible) as error:
            _failed(error)

    @sync_operation(name=RESOLVE)
    async def resolve(self, ctx: StartOperationContext, raw: RawValue) -> None:
        """Decide about a submission whose outcome nobody knows."""
        given = _read(ResolveInput, raw)
        run = await _find(given.workflow_id)
        try:
            await run.resolve(Resolution(action=given.action, task_id=given.task_id), update_id=ctx.request_id)
        except (NoWorkerAnswers, NotPossible) as error:
            _failed(error)


def _read(model: type[M], raw: RawValue) -> M:
    """The operation's input. Raises HandlerError, naming every field that is wrong."""
    try:
        value = from_json(raw.payload.data or b"null", allow_inf_nan=False)
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity, and would be handed on as null
        return model.model_validate(value)
    except ValidationError as error:
        _refuse(HandlerErrorType.BAD_REQUEST, problems_of(error, model))
    except ValueError as error:
        _refuse(HandlerErrorType.BAD_REQUEST, [problem("input", "type", None, f"must be a JSON object ({error})")])


async def _find(workflow_id: str) -> Run:
    run = await _look_up(workflow_id)
    if run is None:
        text = f"there is no run of {GENERATE_VIDEO} with the id {workflow_id!r}"
        raise HandlerError(text, type=HandlerErrorType.NOT_FOUND, retryable_override=False)
    return run


async def _look_up(workflow_id: str) -> Run | None:
    try:
        return replace(await Run.find(nexus.client(), workflow_id), patience=_PATIENCE)
    except RunNotFound:
        return None  # its text would tell of other workflows of this namespace


async def _result(run: Run) -> dict[str, Any]:
    """As the run returned it, which has completed; another one may go on under its id by now."""
    handle = nexus.client().get_workflow_handle(run.id, run_id=run.description.run_id)
    result: dict[str, Any] = await handle.result(follow_runs=False)
    return result


def _refuse(kind: HandlerErrorType, problems: list[Problem]) -> NoReturn:
    details = FailureDetails(problems=problems).model_dump(mode="json")
    cause = ApplicationError(sentence(problems), details, type=FailureType.INVALID_REQUEST, non_retryable=True)
    raise HandlerError(sentence(problems), type=kind, retryable_override=False) from cause


def _failed(error: NoWorkerAnswers | NotPossible) -> NoReturn:
    """Never tried again by the server: five errors that are close the endpoint to the caller's whole namespace for a
    minute, `generate` included (Temporal's circuit breaker)."""
    if isinstance(error, NoWorkerAnswers):
        raise HandlerError(str(error), type=HandlerErrorType.UPSTREAM_TIMEOUT, retryable_override=False) from None
    cause = error.__cause__
    reason = cause.cause if isinstance(cause, WorkflowUpdateFailedError) else None
    raise HandlerError(str(error), type=HandlerErrorType.CONFLICT, retryable_override=False) from reason
