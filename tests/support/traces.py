"""A receiver of OTLP over HTTP, as a collector is one."""

import asyncio
import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.patience import PATIENCE
from tests.support.processes import free_port


@dataclass(frozen=True)
class Span:
    """What is looked at of a span."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    attributes: dict[str, str | int]


class Collector:
    """Listens in a thread of its own."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.spans: list[Span] = []
        self.said = ""
        """All that came, as text."""
        app = Starlette(routes=[Route("/v1/traces", self._receive, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)

    def start(self) -> "Collector":
        """Listen."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop listening."""
        self._server.should_exit = True
        self._thread.join(5)

    async def until(self, condition: Callable[[list[Span]], bool]) -> list[Span]:
        """Wait for spans, which come every five seconds, until they satisfy the condition."""
        async with asyncio.timeout(PATIENCE):
            while not condition(self.spans):
                await asyncio.sleep(0.1)
        return self.spans

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        body = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        export = ExportTraceServiceRequest.FromString(body)
        self.said += str(export)
        for batch in export.resource_spans:
            named = {entry.key: entry.value.string_value for entry in batch.resource.attributes}
            for span in (span for scope in batch.scope_spans for span in scope.spans):
                attributes = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                self.spans.append(Span(named["service.name"], *ids, span.name, attributes))
        return Response(media_type="application/x-protobuf")
