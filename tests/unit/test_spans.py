"""What spans may not hold."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from telemetry.spans import Redacted

SECRET = "a7c1e9d2f4"


def test_messages_and_tracebacks_of_exceptions_lose_signatures_and_keys() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Redacted(kept)))
    said = f"GET https://files.example/a.mp4?X-Amz-Signature={SECRET} with Bearer {SECRET} failed"
    with provider.get_tracer("test").start_as_current_span("RunActivity:download") as span:
        span.set_attribute("said", said)
        span.set_status(Status(StatusCode.ERROR, said))
        span.record_exception(ValueError(said))
    (exported,) = kept.get_finished_spans()
    assert SECRET not in exported.to_json()
    assert "https://files.example/a.mp4?…" in str(exported.status.description)
    assert exported.events[0].attributes
    assert "ValueError" in str(exported.events[0].attributes["exception.stacktrace"])
