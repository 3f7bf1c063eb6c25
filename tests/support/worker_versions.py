"""Worker Deployments by the commands of docs/upgrading.md."""

import asyncio
import subprocess

from tests.support.processes import BIN, DevServer

_NOT_YET = ("not found", "no Worker Deployment found", "no pollers", "missing active task queues")
_PATIENCE = 60
"""Seconds until a worker that has just begun to poll is known to the server."""


async def temporal(server: DevServer, *args: str) -> str:
    """What the `temporal` CLI says. Raises AssertionError when it fails."""
    command = [str(BIN / "temporal"), *args, "--address", server.address]
    told = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout


async def set_current(server: DevServer, deployment: str, build: str) -> None:
    """New runs, and those that can move, go to this version."""
    version = ("--deployment-name", deployment, "--build-id", build)
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                await temporal(server, "worker", "deployment", "set-current-version", *version, "--yes")
                return
            except AssertionError as error:
                if not any(reason in str(error) for reason in _NOT_YET):
                    raise
            await asyncio.sleep(0.3)
