"""The command line `manxue`."""

import os
import sys
from contextlib import suppress

import typer
from temporalio.runtime import Runtime, TelemetryConfig

from starter.cli import assets, batch, runs, stack
from starter.cli.demo import demo
from starter.cli.exit_codes import MEANINGS, guarded
from starter.cli.generate import generate
from starter.cli.opening import open_video

app = typer.Typer(
    name="manxue",
    help="Videos of the SD2 Manxue API: paid once, waited for, verified, delivered.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + ".",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_GENERATE, _RUNS, _RUN_IT = "Generate", "A run", "Run it"
for command, panel in (
    (generate, _GENERATE),
    (demo, _GENERATE),
    (runs.status, _RUNS),
    (runs.watch, _RUNS),
    (runs.result, _RUNS),
    (runs.cancel, _RUNS),
    (runs.poll_now, _RUNS),
    (runs.resolve, _RUNS),
    (stack.local, _RUN_IT),
    (stack.worker, _RUN_IT),
    (stack.emulator, _RUN_IT),
    (stack.setup, _RUN_IT),
):
    app.command(rich_help_panel=panel)(command)
app.command("open", rich_help_panel=_RUNS)(open_video)
app.add_typer(batch.app, name="batch", rich_help_panel=_GENERATE)
app.add_typer(assets.app, name="assets", rich_help_panel=_GENERATE)


def main() -> None:
    """Run a command and leave with its exit code.

    Left by os._exit: threads of the Temporal SDK can crash an interpreter that shuts down the ordinary way.
    """
    # The SDK's own log would go to standard output.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    code = guarded(app)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)
