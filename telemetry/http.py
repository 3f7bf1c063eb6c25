"""`/metrics`, `/healthz` and `/readyz` of a worker, at one address."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from telemetry.metrics import Exporter
from telemetry.open_runs import OpenRuns

_PATIENCE = timedelta(seconds=3)
"""For Temporal's answer to whether it is there."""
_GRACE = 1
"""Seconds that open requests have to end when the worker has ended."""


class CannotListen(Exception):
    """The address is taken, or none of this machine's."""


class _Monitor:
    def __init__(self, client: Client, open_runs: OpenRuns, exporter: Exporter, working: asyncio.Event) -> None:
        self._client = client
        self._open_runs = open_runs
        self._metrics_url = exporter.url
        self._working = working
        what = "1 while the worker takes work and Temporal answers it"
        self._ready = exporter.runtime.metric_meter.create_gauge("manxue_worker_ready", what)

    async def metrics(self, request: Request) -> Response:
        """All metrics, in Prometheus' text format. What must be asked for is asked for now."""
        _, trouble = await asyncio.gather(self._open_runs.refresh(), self._trouble())
        self._ready.set(0 if trouble else 1)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(self._metrics_url)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def alive(self, request: Request) -> Response:
        """Whether the process can answer at all. A restart would not bring Temporal back, so Temporal is not asked."""
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """Whether the worker takes work: 503 with the reason while it starts or stops, or Temporal is away."""
        trouble = await self._trouble()
        return PlainTextResponse(f"{trouble or 'ready'}\n", 503 if trouble else 200)

    async def _trouble(self) -> str | None:
        if not self._working.is_set():
            return "the worker is starting or stopping"
        try:
            healthy = await self._client.service_client.check_health(timeout=_PATIENCE)
        except RPCError:
            healthy = False
        return None if healthy else "Temporal does not answer"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals of the process are the worker's."""
        yield


@asynccontextmanager
async def monitored(
    address: str, client: Client, task_queue: str, exporter: Exporter, working: asyncio.Event
) -> AsyncIterator[None]:
    """Answer at `address` (`host:port`) while the block runs. `working` is set while the worker takes work.

    Raises CannotListen.
    """
    monitor = _Monitor(client, OpenRuns(client, task_queue, exporter.runtime.metric_meter), exporter, working)
    routes = {"/metrics": monitor.metrics, "/healthz": monitor.alive, "/readyz": monitor.ready}
    app = Starlette(routes=[Route(path, endpoint) for path, endpoint in routes.items()])
    options = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE)
    server = _Server(options)
    serving = asyncio.create_task(server.serve([_listener(address)]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _listener(address: str) -> socket.socket:
    where = urlsplit(f"//{address}")
    host = where.hostname or ""
    try:
        return socket.create_server((host, where.port or 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CannotListen(f"cannot listen at {address}: {error.strerror}") from error
