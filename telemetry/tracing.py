"""Traces, by the standard variables of OpenTelemetry: on where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

OpenTelemetry itself (telemetry/spans.py) is imported only then: that takes 0.2 s.
"""

import os
from contextvars import Context, copy_context
from typing import Any

from temporalio.client import Interceptor

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class TracingUnusable(Exception):
    """Traces are wanted in a way that is not possible; the text names the variable."""


def is_on() -> bool:
    """Whether this process sends traces."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(os.environ.get(name) for name in _ENDPOINTS)


def new_context() -> Context:
    """For a task that outlives what began it: with all of that where there is a trace to go on with, else empty."""
    return copy_context() if is_on() else Context()


def start(service: str) -> None:
    """Send the spans of this process from now on, as `service` unless the environment names it.

    Raises TracingUnusable.
    """
    if is_on():
        for name in _PROTOCOLS:
            if (given := os.environ.get(name) or _PROTOCOL) != _PROTOCOL:
                raise TracingUnusable(f"{name} is {given!r}, but traces are sent by {_PROTOCOL} only (port 4318)")
        from telemetry import spans

        spans.start(service)


def stop() -> None:
    """Send what is left, with patience for a few seconds."""
    if is_on():
        from telemetry import spans

        spans.flush()


def interceptors() -> list[Interceptor]:
    """For a client; workers of the client use them too."""
    if not is_on():
        return []
    from telemetry import spans

    return spans.interceptors()


def log_processors() -> list[Any]:
    """For structlog: lines carry the ids of trace and span."""
    if not is_on():
        return []
    from telemetry import spans

    return [spans.add_ids]
