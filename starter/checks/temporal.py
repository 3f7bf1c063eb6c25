"""Is Temporal there, as runs need it: its server, the namespace, the search attributes, and workers that poll."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import temporalio.service
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from connection import TemporalUnavailable, client_config, reach, usable_search_attributes
from starter.checks.admission import ADMISSION, admission
from starter.checks.workers import BUILDS, WORKERS, abandoned_builds, workers
from starter.diagnosis import Check, Finding, failed, ok, unknown
from starter.display import span
from workflows.contract import SEARCH_ATTRIBUTES

_SERVER, _NAMESPACE, _ATTRIBUTES = "temporal", "namespace", "search attributes"
_SHORT_RETENTION = timedelta(days=2)

Look = Callable[[Client], Awaitable[Finding]]


def temporal_checks(task_queue: str) -> list[Check]:
    """They share one connection; without it there is nothing to be said of the others."""
    connected: asyncio.Task[Client] = asyncio.create_task(reach())

    def check(name: str, look: Look, alone: bool = False) -> Check:
        async def with_client() -> Sequence[Finding]:
            try:
                return [await look(await asyncio.shield(connected))]
            except TemporalUnavailable as error:
                return [failed(name, str(error)) if alone else unknown(name, "Temporal cannot be asked")]
            except RPCError as error:
                return [failed(name, f"the server answered {error.status.name}: {error.message}")]

        return Check(name, with_client)

    async def polling(client: Client) -> Finding:
        return await workers(client, task_queue)

    async def bound() -> Sequence[Finding]:
        try:
            return await abandoned_builds(await asyncio.shield(connected), task_queue)
        except (TemporalUnavailable, RPCError):
            return []

    async def admissions() -> Sequence[Finding]:
        try:
            return await admission(await asyncio.shield(connected), task_queue)
        except TemporalUnavailable:
            return []

    return [
        check(_SERVER, _server, alone=True),
        check(_NAMESPACE, _namespace),
        check(_ATTRIBUTES, _search_attributes),
        check(WORKERS, polling),
        Check(BUILDS, bound),
        Check(ADMISSION, admissions),
    ]


async def _server(client: Client) -> Finding:
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    address = client_config()["target_host"]
    version = info.server_version or "of unknown version"
    return ok(_SERVER, f"{address} answers: server {version}, with SDK {temporalio.service.__version__}")


async def _namespace(client: Client) -> Finding:
    name = client.namespace
    try:
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except RPCError as error:
        if error.status is RPCStatusCode.PERMISSION_DENIED:
            return unknown(_NAMESPACE, f"{name}: this user may not look at it")
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return failed(
            _NAMESPACE,
            f"there is no namespace {name!r}: set TEMPORAL_NAMESPACE, or create it: "
            f"temporal operator namespace create -n {name}",
        )
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    text = f"{name} keeps runs for {span(kept)} after their end"
    if kept < _SHORT_RETENTION:
        text += f"; longer is better: temporal operator namespace update -n {name} --retention 30d"
    return ok(_NAMESPACE, text)


async def _search_attributes(client: Client) -> Finding:
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError:
        if await usable_search_attributes(client):
            return ok(_ATTRIBUTES, f"{', '.join(SEARCH_ATTRIBUTES)} can be searched by")
        return failed(_ATTRIBUTES, f"have these created, of type Keyword: {', '.join(SEARCH_ATTRIBUTES)}")
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    missing = [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]
    others = [name for name in SEARCH_ATTRIBUTES if known.custom_attributes.get(name, keyword) != keyword]
    if others:
        return failed(
            _ATTRIBUTES, f"of another type than Keyword: {', '.join(others)}; remove them, then: manxue setup"
        )
    if missing:
        return failed(_ATTRIBUTES, f"not registered: {', '.join(missing)}; start a worker, or: manxue setup")
    return ok(_ATTRIBUTES, f"{', '.join(SEARCH_ATTRIBUTES)} are registered")
