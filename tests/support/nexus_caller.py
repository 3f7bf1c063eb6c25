"""A workflow of another team: it calls one operation of the service by names and JSON, and tells how that ended."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from nexusrpc import HandlerError


@workflow.defn(name="CallManxue")
class CallManxue:
    """Takes `{"endpoint", "operation", "input", "seconds"}`."""

    @workflow.run
    async def run(self, call: dict[str, Any]) -> dict[str, Any]:
        client = workflow.create_nexus_client(service="manxue", endpoint=call["endpoint"])
        try:
            result = await client.execute_operation(
                call["operation"],
                call["input"],
                schedule_to_close_timeout=timedelta(seconds=call.get("seconds", 120)),
            )
        except NexusOperationError as error:
            return {"failure": told(error.cause)}
        return {"result": result}


def told(cause: BaseException | None) -> list[dict[str, Any]]:
    """The chain of causes."""
    chain = []
    while cause is not None:
        link: dict[str, Any] = {"kind": type(cause).__name__, "message": str(cause)}
        if isinstance(cause, HandlerError):
            link |= {"type": cause.type.value, "retryable": cause.retryable}
        elif isinstance(cause, FailureError):
            link |= {"type": getattr(cause, "type", None), "details": list(getattr(cause, "details", []))}
        chain.append(link)
        cause = cause.__cause__
    return chain
