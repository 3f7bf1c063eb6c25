"""The generations of a soak: started through outages, settled by an operator when held, and waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from emulator.ledger import Ledger
from tests.soak.scene import QUEUE
from tests.support.runs import FAST

T = TypeVar("T")

_MODELS = ("sd2_manxue_fast_720p", "sd2_manxue_720p", "sd2_manxue_fast_1080p")
_PATIENCE = timedelta(seconds=5)
_PHASE = SearchAttributeKey.for_keyword("ManxuePhase")


@dataclass
class Generation:
    """One of the runs."""

    number: int
    prompt: str
    ended: str = "stuck"
    """`completed`, or the failure's type."""
    message: str = ""
    result: dict[str, Any] | None = None
    held: int = 0
    """How often it waited for a decision."""

    @property
    def workflow_id(self) -> str:
        """Its workflow id."""
        return f"soak-{self.number}"

    def given(self, emulator_url: str) -> dict[str, Any]:
        """Its input: every third has an image of its own, which goes through review."""
        request = {"model": _MODELS[self.number % len(_MODELS)], "prompt": self.prompt, "duration": 4}
        if self.number % 3 == 0:
            request["first_image"] = f"{emulator_url}/samples/{self.workflow_id}/landscape.png"
        return {"request": request, "poll": FAST, "name": self.workflow_id, "deadline": 3600}


async def run(client: Client, generation: Generation, emulator_url: str, ledger: Ledger) -> None:
    """Start it and see it through; whatever the Temporal server's absences cut off is asked again."""

    async def start() -> None:
        with suppress(WorkflowAlreadyStartedError):  # by a call whose answer was lost
            await client.start_workflow(
                "GenerateVideo",
                generation.given(emulator_url),
                id=generation.workflow_id,
                task_queue=QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=_PATIENCE,
            )

    await _persistently(start)
    handle = client.get_workflow_handle(generation.workflow_id)
    while True:
        description = await _persistently(lambda: handle.describe(rpc_timeout=_PATIENCE))
        if description.status is not WorkflowExecutionStatus.RUNNING:
            break
        if description.typed_search_attributes.get(_PHASE) == "needs_decision":
            await _settle(client, generation, ledger)
        await asyncio.sleep(2)
    try:
        generation.result = await _persistently(lambda: handle.result(rpc_timeout=_PATIENCE))
        generation.ended = "completed"
    except WorkflowFailureError as error:
        generation.ended = str(getattr(error.cause, "type", type(error.cause).__name__))
        generation.message = str(error.cause)


async def _settle(client: Client, generation: Generation, ledger: Ledger) -> None:
    """As an operator does: look into the provider's account; adopt what is there, and order again what is not."""
    tasks = accepted(ledger, generation)
    decision = {"action": "adopt", "task_id": tasks[0]} if tasks else {"action": "resubmit"}
    handle = client.get_workflow_handle(generation.workflow_id)
    try:
        await handle.execute_update("resolve_submission", decision, rpc_timeout=_PATIENCE)
    except Exception:
        return  # no worker or server just now, or settled already: looked at again
    generation.held += 1


def accepted(ledger: Ledger, generation: Generation) -> list[str]:
    """The tasks that the provider accepted for it."""
    return [
        str(create.task_id)
        for create in ledger.creates
        if create.accepted and create.body["prompt"] == generation.prompt
    ]


async def _persistently(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except RPCError:
            await asyncio.sleep(0.5)
