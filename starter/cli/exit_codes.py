"""Exit codes of the command line, and the one place that turns what went wrong into a sentence and a code."""

import traceback
from collections.abc import Callable

from temporalio.service import RPCError

from connection import TemporalUnavailable
from encryption import PayloadUnreadable
from media.staging import StagingFailed
from settings import SettingsError
from starter import display
from starter.batch_order import InvalidBatch
from starter.client import OtherRequest
from starter.dev_server import LocalStackFailed
from starter.execution import NotPossible, NoWorkerAnswers
from starter.inputs import InvalidInput
from starter.local_state import StateUnusable
from starter.nexus_endpoint import EndpointNotAllowed, EndpointRefused
from starter.outcome import RunFailed
from starter.request_file import RequestFileUnreadable
from starter.reviews import ReviewNotFound
from starter.run import RunNotFound
from starter.schedules import ScheduleExists, ScheduleNotFound, ScheduleRefused
from telemetry.tracing import TracingUnusable

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
    UNAVAILABLE: "Temporal, the worker, the staging or the local stack cannot be used, or a check of `doctor` failed",
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
        return _told(error)
    return DONE


def _told(error: Exception) -> int:
    match error:
        case Stopped():
            display.say(str(error))
            return error.code
        case RunFailed():
            display.failure(error)
            return FAILED
        case InvalidInput():
            count = len(error.problems)
            display.error(f"the request has {count} problem{'s' * (count != 1)}; nothing was started")
            display.problems(error.problems)
            return BAD_INPUT
        case InvalidBatch():
            bad = len({found.line for found in error.problems})
            display.error(f"{bad} of {error.lines} lines have problems; nothing was started")
            for found in error.problems:
                display.say(f"  {found}")
            return BAD_INPUT
        case (
            SettingsError()
            | TracingUnusable()
            | RequestFileUnreadable()
            | OtherRequest()
            | ScheduleExists()
            | ScheduleRefused()
            | EndpointRefused()
        ):
            display.error(str(error))
            return BAD_INPUT
        case RunNotFound() | ReviewNotFound() | ScheduleNotFound() | NotPossible():
            display.error(str(error))
            return NOT_NOW
        case (
            TemporalUnavailable()
            | NoWorkerAnswers()
            | LocalStackFailed()
            | StateUnusable()
            | StagingFailed()
            | EndpointNotAllowed()
        ):
            display.error(str(error))
            return UNAVAILABLE
        case PayloadUnreadable():
            display.error(error.message)
            return UNAVAILABLE
        case RPCError():
            display.error(f"the Temporal server did not answer as expected ({error.message}); try again")
            return UNAVAILABLE
        case _:
            traceback.print_exception(error)
            return FAILED
