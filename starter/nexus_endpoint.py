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


class EndpointRefused(Exception):
    """There is an endpoint of this name that leads elsewhere, or the name is none; the text says what to do."""


class EndpointNotAllowed(Exception):
    """The server lets nobody make endpoints by its API (Temporal Cloud); the text says how else they are made."""


@dataclass(frozen=True)
class Target:
    """Where an endpoint leads. Both empty: to a URL."""

    namespace: str
    task_queue: str

    def __str__(self) -> str:
        return f"the task queue {self.task_queue} in the namespace {self.namespace}" if self.namespace else "a URL"


async def ensure_endpoint(client: Client, name: str, task_queue: str, replace: bool = False) -> bool:
    """Make the endpoint `name` lead to the task queue in the client's namespace; whether that changed anything.

    One that leads elsewhere is changed only with `replace`. Raises EndpointRefused, EndpointNotAllowed and RPCError.
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
            raise EndpointRefused(
                f"the endpoint {name} leads to {there}; give another --endpoint, or let it lead to {target} from now "
                "on, for everybody who calls it: --replace"
            )
        spec.description.CopyFrom(found.spec.description)
        await client.operator_service.update_nexus_endpoint(
            UpdateNexusEndpointRequest(id=found.id, version=found.version, spec=spec)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise EndpointRefused(f"the server refuses the endpoint {name}: {error.message}") from error
        if error.status not in _NOT_OURS:
            raise
        raise EndpointNotAllowed(
            f"the server lets nobody make a Nexus endpoint this way ({error.message}); have one made that leads to "
            f"{target}, in Temporal Cloud by its UI or: tcld nexus endpoint create --name {name} --target-namespace "
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
