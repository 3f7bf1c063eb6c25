"""Exit codes of the command line."""

from collections.abc import Callable

DONE = 0
FAILED = 1
BAD_INPUT = 2
NOT_NOW = 3
UNAVAILABLE = 4
INTERRUPTED = 130

MEANINGS = {
    DONE: "done",
    FAILED: "the run ended without a video, or an asset without approval",
    BAD_INPUT: "wrong options, request or settings; nothing was started",
    NOT_NOW: "not found, not finished, or not possible in the run's phase",
    UNAVAILABLE: "Temporal, the worker, the staging, the local stack or the output cannot be used, "
    "or a check of `doctor` failed",
    INTERRUPTED: "stopped watching by Ctrl-C; what was started goes on",
}


class Stopped(Exception):
    """A command ends early with this code and sentence."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def guarded(command: Callable[[], object]) -> int:
    """Run a command to its exit code; whatever it raises is told on standard error."""
    try:
        command()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else DONE if leaving.code is None else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        from starter.cli.failures import tell  # knows every failure there is, and so imports nearly everything

        return tell(error)
    return DONE
