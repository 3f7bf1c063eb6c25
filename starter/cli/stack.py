"""Commands for those who run the house: local, worker, emulator, setup."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from connection import ensure_search_attributes
from starter import display
from starter.cli.exit_codes import UNAVAILABLE, Stopped
from starter.cli.session import Session, in_session
from starter.dev_server import Ports
from starter.local import LocalStack, StackOptions, local_stack
from starter.local_state import STATE_DIRECTORY, WEBHOOK_SECRET_FILE
from starter.nexus_endpoint import ensure_endpoint
from starter.stopping import stop_on_signals
from workflows.contract import SEARCH_ATTRIBUTES
from workflows.nexus_contract import ENDPOINT

Speed = Annotated[float, typer.Option(min=0.01, help="How many times faster than the provider the emulator is.")]


def local(
    speed: Speed = 60,
    real: Annotated[
        bool, typer.Option("--real", help="Use the real provider, with MANXUE_API_KEY, instead of the emulator.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Temporal's port. Default: 7233, or a free one if that is taken."),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Temporal's HTTP API. Default: 7243, or a free one if that is taken."),
    ] = None,
    ui_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The Web UI's port. Default: 8233, or a free one if that is taken."),
    ] = None,
    state: Annotated[
        Path, typer.Option(metavar="DIRECTORY", help="Where the database and the logs are kept.")
    ] = STATE_DIRECTORY,
) -> None:
    """Run Temporal, the provider emulator and a worker on this machine until Ctrl-C."""
    ports = Ports(grpc=port, http=http_port, ui=ui_port)
    asyncio.run(_local(StackOptions(state=state, speed=speed, real=real, ports=ports)))


async def _local(options: StackOptions) -> None:
    stop = stop_on_signals()
    async with local_stack(options) as stack:
        _announce(stack)
        await stack.until(stop.wait())
        display.say("stopping")


def _announce(stack: LocalStack) -> None:
    state = stack.state
    provider = (
        f"{state.emulator_url} (emulator, {state.speed:g} times faster)" if state.emulator_url else "the real one"
    )
    display.say(f"Web UI    {state.ui_url}")
    display.say(f"Temporal  {state.address}, its HTTP API {state.http_url}")
    display.say(f"Provider  {provider}")
    display.say(f"State     {stack.options.state}")
    if not os.environ.get("MANXUE_WEBHOOK_SECRETS"):
        display.say(f"Webhooks  signed with the secret in {stack.options.state / WEBHOOK_SECRET_FILE}")
    prefix = "" if stack.options.state == STATE_DIRECTORY else f"TEMPORAL_ADDRESS={state.address} "
    display.say(f'Try, in another terminal:  {prefix}manxue generate --prompt "a lighthouse in a storm"')
    display.say("Ctrl-C stops everything.")


def setup(
    nexus: Annotated[
        bool, typer.Option("--nexus", help="Also make the Nexus endpoint, for workflows of other namespaces.")
    ] = False,
    endpoint: Annotated[str, typer.Option(metavar="NAME", help="The endpoint's name.")] = ENDPOINT,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change an endpoint of that name which leads elsewhere.")
    ] = False,
) -> None:
    """Register the search attributes in the Temporal namespace; a worker does the same when it starts."""

    async def work(session: Session) -> None:
        added = await ensure_search_attributes(session.client)
        present = [name for name in SEARCH_ATTRIBUTES if name not in added]
        namespace = session.client.namespace
        if added:
            display.say(f"registered in the namespace {namespace}: {', '.join(added)}")
        if present:
            display.say(f"registered before in the namespace {namespace}: {', '.join(present)}")
        if nexus:
            queue = session.settings.task_queue
            changed = await ensure_endpoint(session.client, endpoint, queue, replace)
            now = "now leads" if changed else "leads already"
            display.say(f"the Nexus endpoint {endpoint} {now} to the task queue {queue} in the namespace {namespace}")

    in_session(work)


def worker() -> None:
    """Run a worker until SIGTERM or Ctrl-C. The same as `python worker.py`."""
    from worker import main

    raise typer.Exit(main())


def emulator(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8090,
    speed: Speed = 1,
    key: Annotated[str, typer.Option(help="The API key that it accepts.")] = "local-key",
    chaos: Annotated[
        int | None, typer.Option(metavar="SEED", help="Let calls go wrong at random, the same way for the same seed.")
    ] = None,
) -> None:
    """Run a stand-in for the provider, to develop against: MANXUE_BASE_URL=http://HOST:PORT."""
    from emulator.config import EmulatorConfig
    from emulator.server import run

    try:
        run(EmulatorConfig(api_key=key, speed=speed, chaos_seed=chaos), host, port)
    except OSError as error:
        raise Stopped(UNAVAILABLE, f"the emulator cannot listen at {host}:{port}: {error.strerror}") from error
