"""The way to Temporal, the same for worker, starter and command line.

Address, namespace, TLS and API key follow Temporal's own standard (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
`TEMPORAL_PROFILE`, the TOML file), so that a shell in which the `temporal` CLI works runs the worker too. What is sent
is encrypted where `MANXUE_ENCRYPTION_KEYS` says so.
"""

import asyncio
import re

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from encryption import data_converter
from settings import EncryptionSettings, load
from telemetry import tracing
from workflows.contract import SEARCH_ATTRIBUTES

DEFAULT_ADDRESS = "localhost:7233"
PROVIDER = "manxue_provider"
"""In the data of a namespace: the one provider that its runs are for, where it is an emulator; else empty."""
PATIENCE = 8.0
"""Seconds that a server has to answer when it is first asked; the SDK alone would wait for half a minute."""


_BROKEN_OFF = re.compile(
    "transport error|operation was canceled|connection closed|InvalidMessage|InvalidContentType|AlertReceived"
    "|BrokenPipe|ConnectionReset"
)
"""What the SDK says when one side speaks TLS and the other does not, or when a certificate is refused."""


class TemporalUnavailable(Exception):
    """Temporal cannot be used as configured; the text says what was tried and what to do."""


async def connect(runtime: Runtime | None = None) -> Client:
    """Connect as the environment says.

    Raises TemporalUnavailable, also when the namespace does not exist, and SettingsError.
    """
    client = await reach(runtime)
    await _require_namespace(client)
    return client


async def reach(runtime: Runtime | None = None) -> Client:
    """Connect as the environment says, whether its namespace exists or not.

    Raises TemporalUnavailable and SettingsError.
    """
    config, converter = client_config(), data_converter(load(EncryptionSettings).encryption_keys)
    address = config["target_host"]
    try:
        async with asyncio.timeout(PATIENCE):
            return await Client.connect(
                **config,
                data_converter=converter,
                runtime=runtime,
                interceptors=tracing.interceptors(),
            )
    except TimeoutError as error:
        raise TemporalUnavailable(
            f"the Temporal server at {address} does not answer within {PATIENCE:.0f} s; see that TEMPORAL_ADDRESS "
            "and TLS are right, and that no firewall is between"
        ) from error
    except (RuntimeError, RPCError, ValueError) as error:
        raise TemporalUnavailable(
            f"no Temporal server answers at {address} ({_reason(error)}); {_advice(error)}"
        ) from error


def client_config() -> ClientConnectConfig:
    """Where Temporal is, as the environment says. Raises TemporalUnavailable when that cannot be read."""
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:
        raise TemporalUnavailable(f"the Temporal configuration cannot be read: {error}") from error
    config.setdefault("target_host", DEFAULT_ADDRESS)
    config.setdefault("namespace", "default")
    return config


async def ensure_search_attributes(client: Client) -> list[str]:
    """Register the search attributes that are missing in the client's namespace, and name them.

    One that is not registered, or as another type, would make every workflow task that sets it fail for ever, so a
    worker calls this before it polls. Raises TemporalUnavailable for another type, and where registering is not
    allowed (Temporal Cloud: create them by `tcld` or its UI).
    """
    operator, keyword = client.operator_service, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        known = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
        missing = [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]
        if missing:
            wanted = dict.fromkeys(missing, keyword)
            await operator.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
            )
    except RPCError as error:
        if await usable_search_attributes(client):
            return []
        raise TemporalUnavailable(
            f"the search attributes {', '.join(SEARCH_ATTRIBUTES)} (type Keyword) cannot be registered in the "
            f"namespace {client.namespace} ({error.message}); have them created there, then start again"
        ) from error
    types = known.custom_attributes
    if other := [name for name in SEARCH_ATTRIBUTES if types.get(name, keyword) != keyword]:
        raise TemporalUnavailable(
            f"in the namespace {client.namespace} the search attributes {', '.join(other)} are of another type than "
            "Keyword, with which runs are stuck for ever, some after they have paid; remove them (temporal operator "
            "search-attribute remove --name NAME), then start again"
        )
    return missing


async def require_provider(client: Client, base_url: str) -> None:
    """Raises TemporalUnavailable where runs are tried with an emulator that is not at `base_url`.

    A worker of the real provider that found such a server, by its usual address, would order and pay for them.
    """
    try:
        request = DescribeNamespaceRequest(namespace=client.namespace)
        described = await client.workflow_service.describe_namespace(request)
    except RPCError:
        return  # nobody has to be allowed to ask
    only = described.namespace_info.data.get(PROVIDER)
    if only and only != base_url:
        raise TemporalUnavailable(
            f"the Temporal server at {client.service_client.config.target_host} is that of a `manxue local`: its runs "
            f"are for its emulator at {only} and would be ordered from {base_url} here; set TEMPORAL_ADDRESS to the "
            "server that is meant"
        )


async def _require_namespace(client: Client) -> None:
    address, namespace = client.service_client.config.target_host, client.namespace
    try:
        async with asyncio.timeout(PATIENCE):
            await client.count_workflows("ExecutionStatus = 'Running'")
    except TimeoutError as error:
        raise TemporalUnavailable(
            f"the Temporal server at {address} does not count runs within {PATIENCE:.0f} s; try again"
        ) from error
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise TemporalUnavailable(
                f"the Temporal server at {address} has no namespace {namespace!r}; set TEMPORAL_NAMESPACE, or create "
                f"it: temporal operator namespace create -n {namespace}"
            ) from error
        raise TemporalUnavailable(f"the Temporal server at {address} refused: {error.message}") from error


def _advice(error: Exception) -> str:
    if "InvalidCertificate" in str(error):
        return (
            "name the authority of its certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH, and the name in the "
            "certificate, where it is another one, in TEMPORAL_TLS_SERVER_NAME"
        )
    if _BROKEN_OFF.search(str(error)):
        return (
            "the connection breaks off, so the server may want TLS (TEMPORAL_TLS=true) and a client certificate "
            "(TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH), or refuse the one given, or have no TLS"
        )
    return "start one with `manxue local`, or set TEMPORAL_ADDRESS"


def _reason(error: Exception) -> str:
    """The words of the operating system, or of TLS, inside what the SDK makes of them."""
    said = re.findall(r'(?:message|error): "([^"]+)"|(InvalidCertificate\(\w+)', str(error))
    return "".join(said[-1]).replace("(", ": ") if said else str(error)


async def usable_search_attributes(client: Client) -> bool:
    """Whether runs can be searched for by our attributes, for those who may not ask which are registered."""
    try:
        await client.count_workflows(" OR ".join(f"{name} = 'x'" for name in SEARCH_ATTRIBUTES))
    except RPCError:
        return False
    return True
