"""Watching the execution that admits the renders of an account."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio.service import RPCError

from tests.support.patience import PATIENCE
from tests.support.runs import Handle

Overview = dict[str, Any]


async def until_account(account: Handle, condition: Callable[[Overview], bool], seconds: float = PATIENCE) -> Overview:
    """Ask for the state of the account until it satisfies the condition."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(RPCError):  # not there yet, or the server has one query to ask of it already
                if condition(now := dict(await account.query("admission"))):
                    return now
            await asyncio.sleep(0.2)
