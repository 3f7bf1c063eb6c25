"""The compose file's script for a namespace, run against a real server."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from datetime import timedelta

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

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
