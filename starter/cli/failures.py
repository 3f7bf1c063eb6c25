"""The one place that turns what went wrong into a sentence and an exit code."""

import traceback

from temporalio.service import RPCError

from connection import TemporalUnavailable
from encryption import PayloadUnreadable
from media.staging import StagingFailed
from settings import SettingsError
from starter import display
from starter.batch_order import InvalidBatch
from starter.cli.exit_codes import BAD_INPUT, FAILED, NOT_NOW, UNAVAILABLE, Stopped
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


def tell(error: Exception) -> int:
    """Tell on standard error what a command raised; its exit code."""
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
        case display.OutputLost():
            if str(error):
                display.error(f"{error}; what was started goes on")
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
