"""The Nexus endpoint: the name under which a server leads operations of other namespaces to this task queue."""

from dataclasses import dataclass

from temporalio.api.nexus.v1 import Endpoint, EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import (
    CreateNexusEndpointRequest,
    ListNexusEndpointsRequest,
    UpdateNexusEndpointRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_NOT_OURS = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)


class EndpointNotMade(Exception):
    """The endpoint is not as it was asked for; the text says why and what to do."""


class EndpointElsewhere(EndpointNotMade):
    """There is an endpoint of this name, and it leads elsewhere."""


@dataclass(frozen=True)
class Target:
    """Where an endpoint leads. Both empty: out of this server."""

    namespace: str
    task_queue: str

    def __str__(self) -> str:
        return f"the task queue {self.task_queue} in the namespace {self.namespace}" if self.namespace else "a URL"


async def ensure_endpoint(client: Client, name: str, task_queue: str, replace: bool = False) -> bool:
    """Make the endpoint `name` lead to the task queue in the client's namespace; whether that changed anything.

    Raises EndpointElsewhere when it leads elsewhere, unless `replace`; EndpointNotMade when the name is none, or where
    the server lets nobody make endpoints by its API (Temporal Cloud).
    """
    target = Target(client.namespace, task_queue)
    worker = EndpointTarget.Worker(namespace=target.namespace, task_queue=target.task_queue)
    spec = EndpointSpec(name=name, target=EndpointTarget(worker=worker))
    try:
        found = await find_endpoint(client, name)
        if found is None:
            await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
            return True
        if (there := target_of(found)) == target:
            return False
        if not replace:
            raise EndpointElsewhere(f"the endpoint {name} leads to {there}")
        spec.description.CopyFrom(found.spec.description)
        await client.operator_service.update_nexus_endpoint(
            UpdateNexusEndpointRequest(id=found.id, version=found.version, spec=spec)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise EndpointNotMade(f"the server refuses the endpoint {name}: {error.message}") from error
        if error.status not in _NOT_OURS:
            raise
        raise EndpointNotMade(
            f"the server lets nobody make a Nexus endpoint here ({error.message}); have one made that leads to {target}"
            f": in Temporal Cloud by its UI, or: tcld nexus endpoint create --name {name} --target-namespace "
            f"{target.namespace} --target-task-queue {target.task_queue} --allow-namespace CALLERS_NAMESPACE"
        ) from error
    return True


async def find_endpoint(client: Client, name: str) -> Endpoint | None:
    """The endpoint of that name. Raises RPCError."""
    answer = await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(name=name))
    return next(iter(answer.endpoints), None)


def target_of(endpoint: Endpoint) -> Target:
    """Where it leads."""
    worker = endpoint.spec.target.worker
    return Target(worker.namespace, worker.task_queue)
