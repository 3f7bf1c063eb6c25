"""Looks for what must not be there: the API key, webhook secrets, and the signatures of URLs."""

import re
from pathlib import Path

from temporalio.api.workflowservice.v1 import ListNamespacesRequest
from temporalio.client import Client

from tests.support.processes import API_KEY
from tests.support.provider import SIGNATURE
from tests.support.receiver import OLD_SECRET, SECRET

SECRETS = re.compile(
    rf"{API_KEY}|{SECRET}|{OLD_SECRET}|{SIGNATURE}|signature=[0-9a-f]{{64}}|X-Amz-Signature=[0-9a-f]".encode()
)

_FOREIGN = "object-store.log"
"""The object store's own access log, which has every request line."""


async def leaks(address: str, folder: Path) -> list[str]:
    """Each history on the server, and each log and manifest below the folder, with a secret in it."""
    ours = [path for path in folder.rglob("*") if path.suffix in (".log", ".json") and path.name != _FOREIGN]
    texts = {path.name: path.read_bytes() for path in ours}
    assert texts
    return [name for name, text in {**texts, **await _histories(address)}.items() if SECRETS.search(text)]


async def _histories(address: str) -> dict[str, bytes]:
    """Every event of every run, payloads as they are, by workflow and run id."""
    histories = {}
    for namespace in await _namespaces(address):
        client = await Client.connect(address, namespace=namespace)
        async for run in client.list_workflows():
            handle = client.get_workflow_handle(run.id, run_id=run.run_id)
            events = [event.SerializeToString() async for event in handle.fetch_history_events()]
            histories[f"{run.id} {run.run_id}"] = b"\n".join(events)
    return histories


async def _namespaces(address: str) -> list[str]:
    """Also those of callers."""
    client = await Client.connect(address)
    answer = await client.workflow_service.list_namespaces(ListNamespacesRequest())
    names = [each.namespace_info.name for each in answer.namespaces]
    return [name for name in names if name != "temporal-system"]
