"""Each call to the provider, measured and, where traces are on, as a span: its name and status, never what it said."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from temporalio import activity

from manxue.client import Call, Watch
from telemetry import tracing


def watch() -> Watch:
    """For the `watch` of the worker's `ManxueClient`."""
    span = nullcontext if not tracing.is_on() else _spans()

    @contextmanager
    def watched(call: Call) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with span(call):
                yield
        finally:
            if activity.in_activity():
                _measure(call, time.perf_counter() - began)

    return watched


def _measure(call: Call, seconds: float) -> None:
    what = "How long the provider took to answer, by call and kind of answer"
    histogram = activity.metric_meter().create_histogram_float("manxue_provider_call", what, "seconds")
    answer = "none" if call.status is None else f"{call.status // 100}xx"
    histogram.record(seconds, {"call": call.name, "answer": answer})


def _spans() -> Watch:
    from telemetry.spans import provider_call

    return provider_call
