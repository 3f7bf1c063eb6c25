"""Whose the runs in a local stack's database are: the emulator's, or the real provider's, which is paid."""

from pathlib import Path

from temporalio.api.namespace.v1 import UpdateNamespaceInfo
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client

from connection import PROVIDER
from starter.local_state import StateUnusable
from workflows.batch_contract import GENERATE_BATCH
from workflows.contract import GENERATE_VIDEO

_FILE = "provider"
_EMULATOR, _REAL = "the emulator", "the real provider"
_CONSEQUENCES = {
    _REAL: "what of them is not ordered yet would be ordered and paid for now",
    _EMULATOR: "it knows nothing of the renders that were paid for",
}
_OPEN = f"ExecutionStatus = 'Running' AND WorkflowType IN ('{GENERATE_VIDEO}', '{GENERATE_BATCH}')"


async def keep_to_provider(client: Client, directory: Path, *, real: bool) -> None:
    """Note whom the runs in the state directory are for from now on.

    Raises StateUnusable while runs or schedules are left that were made for the other one.
    """
    file, now = directory / _FILE, _REAL if real else _EMULATOR
    before = file.read_text().strip() if file.exists() else now
    if before != now and (left := await _left(client)):
        raise StateUnusable(
            f"{left} in {directory} were made with {before}, and would go on with {now}: {_CONSEQUENCES[now]}. Let "
            f"them end with {before}, or cancel them there, or start another stack with --state DIRECTORY"
        )
    file.write_text(f"{now}\n")


async def announce_provider(client: Client, emulator_url: str | None) -> None:
    """Let workers of any other provider know that this server is not theirs; without an emulator any may come."""
    info = UpdateNamespaceInfo(data={PROVIDER: emulator_url or ""})
    await client.workflow_service.update_namespace(UpdateNamespaceRequest(namespace=client.namespace, update_info=info))


async def _left(client: Client) -> str | None:
    runs = (await client.count_workflows(_OPEN)).count
    listed = [schedule async for schedule in await client.list_schedules()]
    schedules = sum(not (found.schedule and found.schedule.state.paused) for found in listed)
    told = [f"{count} {what}" for count, what in ((runs, "open runs"), (schedules, "active schedules")) if count]
    return " and ".join(told) or None
