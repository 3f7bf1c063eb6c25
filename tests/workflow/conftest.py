"""The time-skipping server, with a worker on it."""

from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

import activities.poll
from settings import WorkerSettings
from tests.support.processes import API_KEY, BIN
from tests.support.provider import Provider
from tests.support.receiver import SECRET
from worker import build_worker
from workflows.contract import SEARCH_ATTRIBUTES

QUEUE = "hours"


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    """The server, with the search attributes."""
    async with await _started() as env:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        wanted = AddSearchAttributesRequest(
            namespace="default", search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, keyword)
        )
        await env.client.operator_service.add_search_attributes(wanted)
        yield env


@pytest.fixture
async def client(
    env: WorkflowEnvironment, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    """A client of the server, with a worker on it, whose polls wait by the server's clock."""
    monkeypatch.setattr(activities.poll, "sleep", env.sleep)
    settings = WorkerSettings(
        api_key=SecretStr(API_KEY),
        base_url=provider.url,
        task_queue=QUEUE,
        output=str(tmp_path),
        allowed_networks=(ip_network("127.0.0.0/8"),),
        webhook_secrets=(SecretStr(SECRET),),
        shutdown_grace=1,
    )
    async with build_worker(settings, env.client):
        yield env.client


async def _started() -> WorkflowEnvironment:
    """The SDK gives it five seconds, in which it may not come up where several tests start theirs at a time."""
    for _ in range(3):
        with suppress(RuntimeError):
            return await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=str(BIN / "temporal-test-server"), data_converter=pydantic_data_converter
            )
    raise TimeoutError("the time-skipping server does not start")
