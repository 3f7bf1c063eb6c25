"""Generate one video for an order: python generate.py ORDER PROMPT [SECONDS]. Needs only temporalio."""

import asyncio
import sys
from contextlib import suppress
from typing import Any

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode


async def connect() -> Client:
    """A client for the server that TEMPORAL_ADDRESS names, or the profile of the temporal CLI."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config)


async def generate(client: Client, order: str, given: dict[str, Any]) -> dict[str, Any]:
    """The result of the order's one render: started, joined or found, whichever it takes.

    So it may be called again at any time, by any process. Raises WorkflowFailureError.
    """
    with suppress(WorkflowAlreadyStartedError):  # it is completed, and has its result
        await client.start_workflow(
            "GenerateVideo",
            given,
            id=order,
            task_queue="manxue",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )
    while True:
        try:
            result: dict[str, Any] = await client.get_workflow_handle(order).result()
            return result
        except RPCError as error:
            if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN):
                raise
            await asyncio.sleep(1)  # the server or the network is away for a while


async def main(order: str, prompt: str, seconds: str = "4") -> int:
    """Print where the video is, or why there is none."""
    request = {"model": "sd2_manxue_720p", "prompt": prompt, "duration": int(seconds)}
    # `poll` suits the quick emulator of `manxue local`; leave it out with the real provider.
    given = {"request": request, "poll": {"first": "PT1S", "interval": "PT1S"}}
    try:
        result = await generate(await connect(), order, given)
        print(result["video"]["uri"])
        code = 0
    except WorkflowFailureError as error:
        failure = error.cause
        if not isinstance(failure, ApplicationError):
            raise  # canceled, terminated
        print(f"{failure.type}: {failure.message}", file=sys.stderr)
        for problem in failure.details[0]["problems"]:
            print(f"  {problem['field']} ({problem['rule']}): {problem['hint']}", file=sys.stderr)
        code = 1
    await asyncio.sleep(0.3)  # a script that ends at once can crash in the SDK's threads, after its work
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
