"""Tells workflows at which address their worker reaches the Temporal server, for the commands that they show."""

from temporalio import workflow
from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

_NAME = "manxue_server_address"
_DEFAULTS = {"localhost:7233", "127.0.0.1:7233"}
"""Where the `temporal` CLI and `manxue` look by themselves."""


class ServerAddressInterceptor(Interceptor):
    """For the worker's `interceptors`. `address` is `host:port`."""

    def __init__(self, address: str) -> None:
        self._address = None if address in _DEFAULTS else address

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See the base class."""
        input.unsafe_extern_functions[_NAME] = lambda: self._address
        return None


def server_address() -> str | None:
    """The address where it is not the default. It differs between workers: for display only."""
    known = workflow.extern_functions().get(_NAME)
    return known() if known else None
