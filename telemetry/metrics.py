"""The SDK's own Prometheus exporter, which has our metrics too. It listens on this machine only: telemetry/http.py
is what others ask, so that metrics and health have one address."""

import socket
from dataclasses import dataclass

from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig

_LONG = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)
_BUCKETS = {
    "manxue_queue": _LONG,
    "manxue_render": _LONG,
    "manxue_completion": _LONG,
    "manxue_review": _LONG,
    "manxue_decision": _LONG,
    "manxue_delivery": (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0),
    "manxue_provider_call": (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0),
    "manxue_polls_per_render": (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 100.0, 200.0, 500.0, 1500.0),
}
"""Upper bounds by the name without its unit. The SDK looks for it anywhere in metrics' names: none may hold another."""
_TRIES = 10


@dataclass(frozen=True)
class Exporter:
    """A Temporal runtime that measures, and where its metrics are."""

    runtime: Runtime
    url: str


def start_exporter(logging: LoggingConfig) -> Exporter:
    """A runtime with metrics, which any process of this machine can read but no other."""
    for left in reversed(range(_TRIES)):
        port = _free_port()
        metrics = PrometheusConfig(
            bind_address=f"127.0.0.1:{port}",
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides=_BUCKETS,
        )
        telemetry = TelemetryConfig(logging=logging, metrics=metrics, attach_service_name=False)
        try:
            return Exporter(Runtime(telemetry=telemetry), f"http://127.0.0.1:{port}/metrics")
        except ValueError:  # the port was taken meanwhile; the SDK takes port 0, but does not tell which one it got
            if not left:
                raise
    raise AssertionError("unreachable")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
