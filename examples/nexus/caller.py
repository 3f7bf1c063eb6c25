"""A workflow of another team that has a video made, as one durable operation.

It needs the packages `temporalio` and `nexus-rpc`, and an endpoint that leads to the worker: `manxue setup --nexus`.
It runs in a namespace of its own:

    TEMPORAL_NAMESPACE=studio python caller.py
    temporal workflow execute --namespace studio --task-queue studio --type OrderVideo --workflow-id order-4711 \
        --input '{"request": {"model": "sd2_manxue_720p", "prompt": "a lighthouse in a storm"}}'
"""

import asyncio
from datetime import timedelta
from typing import Any

import nexusrpc
from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError, NexusOperationError
from temporalio.worker import Worker

Json = dict[str, Any]


@nexusrpc.service(name="manxue")
class Manxue:
    """What of the service is used here. Inputs and results are JSON objects: see schema/."""

    generate: nexusrpc.Operation[Json, Json]
    progress: nexusrpc.Operation[Json, Json]


@workflow.defn
class OrderVideo:
    """One order: takes the input of `GenerateVideo`, and answers where the video is, or what is wrong with it."""

    @workflow.run
    async def run(self, order: Json) -> Json:
        """The render has the id of this workflow, so that an order started again is not paid for again."""
        manxue = workflow.create_nexus_client(service=Manxue, endpoint="manxue")
        try:
            video = await manxue.execute_operation(
                Manxue.generate,
                {"workflow_id": f"studio/{workflow.info().workflow_id}", "input": order},
                # Longer than the run may take: its `deadline`, 24 h by default, and the download.
                schedule_to_close_timeout=timedelta(hours=30),
            )
        except NexusOperationError as error:
            failure = error.cause
            if isinstance(failure, ApplicationError) and failure.type in ("InvalidRequest", "MediaRejected"):
                problems = failure.details[0]["problems"]
                return {"wrong": [f"{problem['field']}: {problem['hint']}" for problem in problems]}
            raise
        return {"uri": video["video"]["uri"], "sha256": video["video"]["sha256"]}


async def main() -> None:
    """This team's worker."""
    config = ClientConfig.load_client_connect_config()  # TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, profiles, TLS
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    async with Worker(client, task_queue="studio", workflows=[OrderVideo]):
        print(f"polling the task queue studio in the namespace {client.namespace}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
