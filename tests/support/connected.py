"""A client of a server that has only just been started: its port is open before it answers."""

import asyncio

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.support.patience import PATIENCE
from tests.support.processes import DevServer


async def connected(server: DevServer) -> Client:
    """Connect, as soon as the server is well."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Client.connect(server.address, data_converter=pydantic_data_converter)
            except RuntimeError:  # "Frontend is not healthy yet"
                await asyncio.sleep(0.1)
