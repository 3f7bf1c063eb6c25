"""What the Temporal server does not find: an execution that is gone, or, for a moment, the namespace itself."""

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode


def is_gone(error: RPCError) -> bool:
    """Whether the server has no such execution, or no longer: its retention is over.

    A server with too little processor time has been seen to deny a namespace that it has, with the same status. That
    says nothing of what is in it.
    """
    return error.status is RPCStatusCode.NOT_FOUND and not any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )
