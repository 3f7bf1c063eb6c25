"""The compose file's script for a namespace, run against a real server."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tests.support.command_line import CommandLine
from tests.support.processes import BIN, ROOT, DevServer
from workflows.contract import SEARCH_ATTRIBUTES

SCRIPT = str(ROOT / "deploy/temporal/namespace.sh")


async def test_a_namespace_is_made_once_and_kept_as_it_is_set(server: DevServer, client: Client) -> None:
    for days in (30, 40):
        environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "TEMPORAL_ADDRESS": server.address,
            "TEMPORAL_NAMESPACE": "studio",
            "RETENTION": f"{days}d",
        }
        script = await asyncio.create_subprocess_exec("sh", SCRIPT, env=environment, stdout=PIPE, stderr=STDOUT)
        said, _ = await script.communicate()
        assert script.returncode == 0, said.decode()
        told = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="studio"))
        assert told.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=days)
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="studio"))
    assert set(SEARCH_ATTRIBUTES) <= set(known.custom_attributes)


async def test_a_search_attribute_of_another_type_stops_a_worker_before_any_run_is_stuck_with_it(
    client: Client, worker_env: dict[str, str], tmp_path: Path, word: str
) -> None:
    retention = Duration(seconds=86400)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=word, workflow_execution_retention_period=retention)
    )
    wrong = {"ManxueTaskId": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    request = AddSearchAttributesRequest(namespace=word, search_attributes=wrong)
    while True:
        try:
            await client.operator_service.add_search_attributes(request)
            break
        except RPCError:  # it takes a second until a namespace is known everywhere
            await asyncio.sleep(0.5)
    cli = CommandLine(tmp_path, {**worker_env, "TEMPORAL_NAMESPACE": word})
    for told in await cli.run_all(("worker",), ("setup",)):
        assert told.code == 4
        assert "ManxueTaskId are of another type than Keyword" in told.err
