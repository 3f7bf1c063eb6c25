"""Each call to the provider, measured and, where traces are on, as a span: its name and status, never what it said."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import Context, ContextVar

from temporalio import activity
from temporalio.common import MetricMeter

from manxue.client import Call, Watch
from telemetry import tracing

_meter = ContextVar[MetricMeter | None]("meter", default=None)
_meters: dict[tuple[str, str, str], MetricMeter] = {}
"""By namespace, task queue and activity type."""


def new_context() -> Context:
    """For calls that an activity makes after its function has returned: measured as its own, in its trace if any."""
    context, info = tracing.new_context(), activity.info()
    kind = (info.namespace, info.task_queue, info.activity_type)
    if kind not in _meters:
        _meters[kind] = activity.metric_meter()
    context.run(_meter.set, _meters[kind])
    return context


def watch() -> Watch:
    """For the `watch` of the worker's `ManxueClient`."""
    span = nullcontext if not tracing.is_on() else _spans()

    @contextmanager
    def watched(call: Call) -> Iterator[None]:
        began, waited = time.perf_counter(), True
        try:
            with span(call):
                yield
        except asyncio.CancelledError:
            waited = False  # for the answer
            raise
        finally:
            meter = _meter.get() or (activity.metric_meter() if activity.in_activity() else None)
            if meter and waited:
                _measure(meter, call, time.perf_counter() - began)

    return watched


def _measure(meter: MetricMeter, call: Call, seconds: float) -> None:
    what = "How long the provider took to answer, by call and kind of answer"
    histogram = meter.create_histogram_float("manxue_provider_call", what, "seconds")
    answer = "none" if call.status is None else f"{call.status // 100}xx"
    histogram.record(seconds, {"call": call.name, "answer": answer})


def _spans() -> Watch:
    from telemetry.spans import provider_call

    return provider_call
