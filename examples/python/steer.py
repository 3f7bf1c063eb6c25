"""Look at a run and steer it: python steer.py progress ORDER | poll-now ORDER | resolve ORDER ACTION [TASK_ID]."""

import asyncio
import json
import sys

from generate import connect
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError


async def main(command: str, order: str, *decision: str) -> int:
    """Print the progress as JSON; nothing once a decision is taken."""
    run = (await connect()).get_workflow_handle(order)
    code = 0
    try:
        match command:
            case "progress":
                print(json.dumps(await run.query("progress")))
            case "poll-now":
                print(json.dumps(await run.execute_update("poll_now")))
            case "resolve":
                resolution = dict(zip(("action", "task_id"), decision, strict=False))
                await run.execute_update("resolve_submission", resolution)
    except WorkflowUpdateFailedError as refused:
        print(refused.cause, file=sys.stderr)
        code = 1
    except RPCError as error:  # no such run, or it is over
        print(error.message, file=sys.stderr)
        code = 1
    await asyncio.sleep(0.3)  # a script that ends at once can crash in the SDK's threads, after its work
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
