"""Log lines: events with key-values on stderr, as text for people or JSON for machines, the SDK's own lines included.

Every line of a workflow or activity carries its ids, and every line passes through `manxue.redact`.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError
from temporalio.runtime import LogForwardingConfig, LoggingConfig, TelemetryFilter

from manxue.redact import redact_json
from telemetry import tracing

_CORE = "temporal.core"
_NOISY = ("httpx", "httpcore", "uvicorn.access", "uvicorn.error")
"""Their lines hold whole URLs, or one line per request."""


def configure(log_format: str, level: str) -> None:
    """Set up logging for the process; call once, before anything logs."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _add_temporal_ids,
        *tracing.log_processors(),
        _expected_failure,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if log_format == "json":
        # Without the values of local variables, among which are signed URLs.
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        ending: list[Any] = [tracebacks, _redact, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        ending = [_flat_traceback, _redact, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for adapter in (workflow.logger, activity.logger):
        # The ids are fields of the line; repeating them as a dictionary in its text helps nobody.
        for info in ("workflow_info_on_message", "activity_info_on_message"):
            if hasattr(adapter, info):
                setattr(adapter, info, False)


def core_logging() -> LoggingConfig:
    """For a Temporal runtime whose Core logs through Python's logging, in the same format."""
    forwarding = LogForwardingConfig(logger=logging.getLogger(_CORE))
    chosen = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return LoggingConfig(filter=chosen, forwarding=forwarding)


def _add_temporal_ids(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    for noise in (
        "temporal_workflow",
        "temporal_activity",
        "__temporal_completed_activity",
        "__temporal_error_identifier",
    ):
        event.pop(noise, None)
    if workflow.in_workflow():
        run = workflow.info()
        event.update(workflow_id=run.workflow_id, run_id=run.run_id, attempt=run.attempt)
    elif activity.in_activity():
        task = activity.info()
        event.update(workflow_id=task.workflow_id, run_id=task.workflow_run_id)
        event.update(activity=task.activity_type, attempt=task.attempt)
    return event


def _expected_failure(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A failure that an activity raised on purpose says all in its message; its traceback is noise."""
    raised = event.get("exc_info")
    error = raised[1] if isinstance(raised, tuple) else raised if isinstance(raised, BaseException) else sys.exception()
    if event.get("exc_info") and isinstance(error, ApplicationError):
        del event["exc_info"]
        event["failure"] = f"{error.type}: {error.message}" if error.type else error.message
        if isinstance(error.__cause__, ApplicationError):  # such as why arguments could not be decoded
            event["failure"] += f": {error.__cause__.message}"
    return event


def _flat_traceback(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The traceback as text, so that it is redacted as well."""
    return structlog.processors.format_exc_info(logger, name, event)


def _redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    redacted: EventDict = redact_json(dict(event))
    return redacted
