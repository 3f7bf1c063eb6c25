"""The current details of a run in the Temporal Web UI, written when somebody looks.

`workflow.set_current_details` wants them written at every change, looked at or not: for a render that waits they were
half of a poll's processor time.
"""

from typing import Any, Protocol, runtime_checkable

from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.worker import HandleQueryInput, Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput


@runtime_checkable
class Describes(Protocol):
    """A workflow that writes them."""

    def current_details(self) -> str:
        """Where it is now, as Markdown. Called at any time, and must change nothing."""


class CurrentDetailsInterceptor(Interceptor):
    """For the worker's `interceptors`."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See the base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002 - the SDK's name
        answer, asked = await super().handle_query(input), workflow.instance()
        if isinstance(answer, WorkflowMetadata) and isinstance(asked, Describes):
            answer.current_details = asked.current_details()
        return answer
