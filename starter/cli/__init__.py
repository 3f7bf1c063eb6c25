"""The command line `manxue`."""

import io
import os
import sys
from contextlib import suppress

import typer

from starter.cli.exit_codes import guarded
from starter.cli.lazy import lazy_group

_GENERATE, _RUNS, _RUN_IT = "Generate", "A run", "Run it"
_COMMANDS = (
    ("generate", "starter.cli.generate:generate", _GENERATE),
    ("demo", "starter.cli.demo:demo", _GENERATE),
    ("batch", "starter.cli.batch:app", _GENERATE),
    ("schedule", "starter.cli.schedule:app", _GENERATE),
    ("assets", "starter.cli.assets:app", _GENERATE),
    ("list", "starter.cli.listing:list_", _RUNS),
    ("status", "starter.cli.runs:status", _RUNS),
    ("watch", "starter.cli.runs:watch", _RUNS),
    ("result", "starter.cli.runs:result", _RUNS),
    ("open", "starter.cli.opening:open_video", _RUNS),
    ("cancel", "starter.cli.runs:cancel", _RUNS),
    ("poll-now", "starter.cli.runs:poll_now", _RUNS),
    ("resolve", "starter.cli.runs:resolve", _RUNS),
    ("local", "starter.cli.stack:local", _RUN_IT),
    ("worker", "starter.cli.stack:worker", _RUN_IT),
    ("emulator", "starter.cli.stack:emulator", _RUN_IT),
    ("codec-server", "starter.cli.codec_server:codec_server", _RUN_IT),
    ("setup", "starter.cli.stack:setup", _RUN_IT),
    ("schema", "starter.cli.schema:schema", _RUN_IT),
    ("doctor", "starter.cli.doctor:doctor", _RUN_IT),
)
"""Name, where it is, and under which heading of the help. Commands with commands of their own are a `typer.Typer`."""

app = typer.Typer(
    name="manxue",
    cls=lazy_group(_COMMANDS),
    help="Videos of the SD2 Manxue API: paid once, waited for, verified, delivered.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _manxue(context: typer.Context) -> None:
    """Called before a command, but neither for the help nor for a completing shell, which must not wait so long."""
    from temporalio.runtime import Runtime, TelemetryConfig

    from telemetry import tracing

    # The SDK's own log would go to standard output.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False)
    context.call_on_close(tracing.stop)


def main() -> None:
    """Run a command and leave with its exit code.

    Left by os._exit: threads of the Temporal SDK can crash an interpreter that shuts down the ordinary way.
    """
    _prepare_streams()
    if "_MANXUE_COMPLETE" in os.environ:  # a shell asks how a line may go on
        app()
    code = guarded(app)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _prepare_streams() -> None:
    """Neither a closed stream nor one that is not UTF-8 breaks a command that has paid for something by then."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - kept open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - kept open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
