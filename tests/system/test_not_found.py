"""A server that denies its own namespace for a moment says nothing of the runs in it."""

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.earlier_submissions import submissions_of
from activities.submit import NOTHING_BOUGHT
from starter.execution import describe
from tests.support.processes import DevServer

RUN_ID = "01a22157-2419-7000-8000-000000000000"


@pytest.fixture
async def elsewhere(server: DevServer) -> Client:
    return await Client.connect(server.address, namespace="denied")


async def test_a_run_that_is_gone_has_bought_nothing(client: Client) -> None:
    earlier = await submissions_of(client, "gone", RUN_ID, NOTHING_BOUGHT)
    assert (earlier.task_id, earlier.unknown) == (None, 0)
    assert await describe(client, "gone") is None


async def test_where_the_namespace_is_denied_nothing_is_known(elsewhere: Client) -> None:
    with pytest.raises(RPCError, match="Namespace denied is not found"):
        await submissions_of(elsewhere, "gone", RUN_ID, NOTHING_BOUGHT)
    with pytest.raises(RPCError, match="Namespace denied is not found"):
        await describe(elsewhere, "gone")
