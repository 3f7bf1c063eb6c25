"""Lets workflows see a wrong number of arguments, which the SDK would turn into a task that fails for ever."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from manxue.failure import FailureType
from workflows.batch_contract import GENERATE_BATCH
from workflows.contract import GENERATE_VIDEO
from workflows.run_input import ArgumentCount


class ArgumentCountInterceptor(Interceptor):
    """For the worker's `interceptors`."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See the base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        if len(input.args) != 1 and workflow.info().workflow_type in (GENERATE_VIDEO, GENERATE_BATCH):
            input.args = [ArgumentCount(len(input.args))]
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        if len(input.args) <= 1:  # every handler of ours takes none or one
            await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
        if len(input.args) > 1:
            raise ApplicationError("takes at most one argument", type=FailureType.INVALID_REQUEST, non_retryable=True)
        return await super().handle_update_handler(input)
