"""What most commands need: a connection to Temporal, the settings, and the run they are about."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.service import RPCError

from connection import connect
from settings import Settings, load
from starter import display
from starter.cli.exit_codes import INTERRUPTED, UNAVAILABLE, Stopped
from starter.execution import Execution
from starter.local_state import LocalState, nearest_stack
from starter.run import Run
from telemetry import tracing

_EXPLICIT = ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
"""Who sets one of these has said where Temporal is."""


@dataclass(frozen=True)
class Session:
    """One command's way to Temporal."""

    client: Client
    settings: Settings
    stack: LocalState | None
    """The local stack of this directory, when it is the one that is used."""

    async def find(self, workflow_id: str) -> Run:
        """Look a run up. Raises RunNotFound."""
        return await Run.find(self.client, workflow_id)

    def link(self, run: Execution) -> str | None:
        """The page of the run in the Web UI, where it is known where that is."""
        return display.run_link(self._ui_url, run)

    def schedule_link(self, name: str) -> str | None:
        """The page of the schedule in the Web UI, where it is known where that is."""
        return display.schedule_link(self._ui_url, self.client.namespace, name)

    @property
    def _ui_url(self) -> str | None:
        return self.stack.ui_url if self.stack else os.environ.get("TEMPORAL_UI_URL")


def stack_in_use() -> LocalState | None:
    """The local stack that runs in this directory or above it, unless the environment names another Temporal server."""
    stack = nearest_stack()
    elsewhere = any(os.environ.get(name) for name in _EXPLICIT)
    return None if stack and elsewhere and os.environ.get("TEMPORAL_ADDRESS") != stack.address else stack


async def open_session() -> Session:
    """Connect as the environment says, or else to the local stack that runs in this directory.

    Raises TemporalUnavailable, SettingsError and TracingUnusable.
    """
    settings = load(Settings)
    tracing.start("manxue")
    stack = use_stack()
    return Session(await connect(), settings, stack)


def use_stack() -> LocalState | None:
    """The local stack in use, whose Temporal server the environment names from now on."""
    stack = stack_in_use()
    if stack and not any(os.environ.get(name) for name in _EXPLICIT):
        display.say(f"using the local stack of this directory: Temporal at {stack.address}", "dim")
        for name, value in stack.temporal_environment().items():
            os.environ[name] = os.environ.get(name) or value
    return stack


def in_session(work: Callable[[Session], Awaitable[None]]) -> None:
    """Run one command's work to its end."""

    async def whole() -> None:
        await work(await open_session())

    asyncio.run(whole())


@contextmanager
def interruptible(again: str, otherwise: str = "") -> Iterator[None]:
    """While something is watched, Ctrl-C and a server that is gone stop only the watching.

    `again` says how to go on watching, and `otherwise` what else can be done.
    """
    try:
        yield
    except asyncio.CancelledError:
        raise Stopped(INTERRUPTED, f"stopped watching; {again}{otherwise}") from None
    except RPCError as error:
        raise Stopped(
            UNAVAILABLE, f"the Temporal server does not answer any more ({error.message}); {again}"
        ) from error
