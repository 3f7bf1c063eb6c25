"""How many runs are open in each phase, and how long the oldest ones of some have been there: gauges that every worker
takes from Temporal's visibility, so that they survive any worker and tell the same wherever they are read.

They are asked for when metrics are, at most every few seconds: without a scraper they cost nothing.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.client import Client
from temporalio.common import MetricMeter, SearchAttributeKey
from temporalio.service import RPCError

from activities.visibility import quoted
from workflows.contract import GENERATE_VIDEO, PHASE_SINCE, Phase, phase_time

log = structlog.stdlib.get_logger("open_runs")

_OPEN = tuple(phase for phase in Phase if phase not in (Phase.COMPLETED, Phase.FAILED, Phase.CANCELED))
_AGED = (Phase.NEEDS_DECISION, Phase.DOWNLOADING)
"""Where a run that stays is a matter for people. The other phases take as long as the provider takes."""
_YOUNG = timedelta(minutes=1)
"""Younger ones are not looked at singly: in a busy fleet there are always some that are being downloaded."""
_MOST = 200
"""Runs of a phase that are looked at singly."""
_FRESH = 5.0
_PATIENCE = 4.0
"""Seconds; together with the rest of an answer less than the 10 s that Prometheus waits."""
_SINCE = SearchAttributeKey.for_keyword(PHASE_SINCE)


class OpenRuns:
    """The open runs of the client's namespace on one task queue."""

    def __init__(self, client: Client, task_queue: str, meter: MetricMeter) -> None:
        self._client = client
        meter = meter.with_additional_attributes({"namespace": client.namespace, "task_queue": task_queue})
        self._open = meter.create_gauge("manxue_open_runs", "Open runs, by phase; the same from every worker")
        what = "How long the run that has been longest in the phase has been there; 0 below a minute"
        self._oldest = meter.create_gauge_float("manxue_oldest_run_seconds", what)
        what = "When the two gauges about open runs were last brought up to date, in Unix time"
        self._updated = meter.create_gauge_float("manxue_open_runs_updated_timestamp_seconds", what)
        self._runs = f"WorkflowType = '{GENERATE_VIDEO}' AND ExecutionStatus = 'Running'"
        self._runs += f" AND TaskQueue = {quoted(task_queue)}"
        self._good_until = 0.0
        self._turn = asyncio.Lock()

    async def refresh(self) -> None:
        """Bring the gauges up to date. They stay as they were when Temporal does not answer in time."""
        async with self._turn:
            if time.monotonic() < self._good_until:
                return
            self._good_until = time.monotonic() + _FRESH
            try:
                async with asyncio.timeout(_PATIENCE):
                    await asyncio.gather(*map(self._count, _OPEN), *map(self._age, _AGED))
            except (TimeoutError, RPCError) as error:
                log.warning("open_runs.unknown", error=str(error) or "no answer in time")
            else:
                self._updated.set(time.time())

    async def _count(self, phase: Phase) -> None:
        found = await self._client.count_workflows(f"{self._runs} AND ManxuePhase = '{phase}'")
        self._open.set(found.count, {"phase": str(phase)})

    async def _age(self, phase: Phase) -> None:
        now = datetime.now(UTC)
        query = f"{self._runs} AND ManxuePhase = '{phase}' AND {PHASE_SINCE} < '{phase_time(now - _YOUNG)}'"
        runs = [run async for run in self._client.list_workflows(query, limit=_MOST, page_size=_MOST)]
        since = [moment for run in runs if (moment := run.typed_search_attributes.get(_SINCE))]
        age = (now - datetime.fromisoformat(min(since))).total_seconds() if since else 0.0
        self._oldest.set(age, {"phase": str(phase)})
