"""Spans and their way to a collector. Import this only where traces are on.

Workflow spans have no length: they are sent when they begin, since a run can outlive every worker that it ever had. The
SDK's newer OpenTelemetryPlugin gives them one, but sends them at the end of the run, hours later, and is experimental.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status
from structlog.typing import EventDict, WrappedLogger
from temporalio import workflow
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.worker import ExecuteWorkflowInput, WorkflowInterceptorClassInput

from manxue.client import Call
from manxue.redact import redact, redact_json

_NOISE = ("QueryWorkflow:", "HandleQuery:")
"""Whoever watches a run asks every second, for hours."""
_PATIENCE = 3.0
"""Seconds for the last spans of a process; a collector that is away must not keep it."""

_tracer = trace.get_tracer("manxue")


def start(service: str) -> None:
    """See telemetry/tracing.py."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": service}))
    provider.add_span_processor(_WithoutNoise(Redacted(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    # What a collector does wrong stands in a worker's log, but not between what a command says to its user.
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())


def flush() -> None:
    """See telemetry/tracing.py."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        # Its own timeout is not kept by all of its parts.
        flushing = threading.Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(_PATIENCE)


def interceptors() -> list[Interceptor]:
    """See telemetry/tracing.py."""
    return [_Tracing()]


def add_ids(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A structlog processor."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.update(trace_id=trace.format_trace_id(context.trace_id), span_id=trace.format_span_id(context.span_id))
    return event


@contextmanager
def provider_call(call: Call) -> Iterator[None]:
    """The span of a call to the provider: without its URL and what was sent."""
    with _tracer.start_as_current_span(f"provider {call.name}", kind=SpanKind.CLIENT) as span:
        try:
            yield
        finally:
            if call.status is not None:
                span.set_attribute("http.response.status_code", call.status)


class _Tracing(TracingInterceptor):
    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[TracingWorkflowInboundInterceptor]:
        super().workflow_interceptor_class(input)
        return _Inbound


class _Inbound(TracingWorkflowInboundInterceptor):
    """Makes one trace of a run that was started without one, by a schedule or in another language. Its id is made of
    the run's, so that it is the same at every replay; without it the SDK would begin a trace for each activity."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        run = workflow.info()
        if self.header_key not in run.headers:
            digest = hashlib.sha256(run.first_execution_run_id.encode()).hexdigest()
            self._workflow_context_carrier = {"traceparent": f"00-{digest[:32]}-{digest[32:48]}-01"}
        return await super().execute_workflow(input)


class _WithoutNoise(BatchSpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        if not span.name.startswith(_NOISE):
            super().on_end(span)


class Redacted(SpanExporter):
    """Spans hold the messages and tracebacks of exceptions, and these may hold anything."""

    def __init__(self, to: SpanExporter) -> None:
        self._to = to

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._to.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._to.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._to.force_flush(timeout_millis)


def _redacted(span: ReadableSpan) -> ReadableSpan:
    said = span.status.description
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=redact_json(dict(span.attributes or {})),
        events=[Event(e.name, redact_json(dict(e.attributes or {})), e.timestamp) for e in span.events],
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code, redact(said) if said else None),
        start_time=span.start_time,
        end_time=span.end_time,
    )
