"""What one generation leaves in Temporal, and what Temporal Cloud would bill of it."""

import asyncio
import tempfile
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from benchmarks import picture
from benchmarks.actions import actions
from benchmarks.clocked import RENDERS, Render, clocked, create, fetch, query
from benchmarks.jobs.naive_workflow import Naive
from benchmarks.section import Section, table
from connection import ensure_search_attributes
from settings import WorkerSettings
from tests.support.attempts import attempts
from tests.support.connected import connected
from tests.support.processes import API_KEY, BIN, DevServer
from tests.support.provider import Provider
from tests.support.runs import request
from worker import build_worker
from workflows.contract import SEARCH_ATTRIBUTES

HALF = 0.5
_FROM = 600
"""Seconds of render from which half of the naive loop is to be reached."""
_QUEUE, _NAIVE = "cost", "naive"
_EXTRAPOLATED = 36_000
_NAIVE_EVERY = 30
_COUNTED = ("events", "bytes", "actions")


@dataclass(frozen=True)
class Cost:
    """Of one generation, all runs of its chain together."""

    polls: float
    events: float
    bytes: float
    actions: float

    def plus(self, heartbeats: int) -> "Cost":
        """With what no history shows."""
        return Cost(self.polls, self.events, self.bytes, self.actions + heartbeats)

    def cells(self, naive: "Cost | None" = None) -> list[str]:
        """For the table: each with its ratio to the naive loop's."""
        cells = [f"{self.polls:,.0f}"]
        for what in _COUNTED:
            count = getattr(self, what)
            cells += [f"{count:,.0f}", f"{count / getattr(naive, what):.2f}" if naive else ""]
        return cells


def run() -> Section:
    """Measure."""
    heartbeats = asyncio.run(_heartbeats())
    return _section(asyncio.run(_measured()), heartbeats)


async def _measured() -> dict[tuple[str, str], Cost]:
    """By render, and `naive`, `learned` or `default`."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server"), data_converter=pydantic_data_converter
    ) as env:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        wanted = dict.fromkeys(SEARCH_ATTRIBUTES, keyword)
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=wanted)
        )
        naive = Worker(env.client, task_queue=_NAIVE, workflows=[Naive], activities=[create, query, fetch])
        with clocked(env):
            async with build_worker(_settings(), env.client), naive:
                kinds = [
                    (one, how)
                    for one in RENDERS
                    for how in ("naive", "learned", "default")
                    if how != "naive" or one.seconds < _EXTRAPOLATED
                ]
                costs = [
                    await _cost(await _ended(env.client, *kind)) for kind in kinds
                ]  # one by one: they share a clock
    found = {(one.name, how): cost for (one, how), cost in zip(kinds, costs, strict=True)}
    return found | {(RENDERS[-1].name, "naive"): _naive(found)}


async def _ended(client: Client, render: Render, how: str) -> WorkflowHandle[Any, Any]:
    body = request(f"{render.name}, {how}", model=render.model, ratio="16:9")
    given: dict[str, Any] = body if how == "naive" else {"request": body, "deadline": "PT48H"}
    name, queue = ("Naive", _NAIVE) if how == "naive" else ("GenerateVideo", _QUEUE)
    handle = await client.start_workflow(name, given, id=f"{render.name} {how}", task_queue=queue)
    await handle.result()
    return handle


async def _cost(handle: WorkflowHandle[Any, Any]) -> Cost:
    client = handle._client
    polls = events = size = billed = 0
    run_id = handle.first_execution_run_id
    while run_id:
        history = (await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).events
        polls += sum(attempts(history, "query"))
        events, size, billed = (
            events + len(history),
            size + sum(event.ByteSize() for event in history),
            billed + actions(history),
        )
        run_id = history[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    told = await handle.result()  # of ours, one attempt of a poll may ask several times
    return Cost(told.get("polls", polls), events, size, billed)


def _naive(found: dict[tuple[str, str], Cost]) -> Cost:
    """The longest one, from two shorter: every poll of a loop is as dear as the one before."""
    short, long = found["10 min", "naive"], found["1 h", "naive"]
    polls = _EXTRAPOLATED / _NAIVE_EVERY
    share = (polls - short.polls) / (long.polls - short.polls)
    names = ("events", "bytes", "actions")
    grown = {name: getattr(short, name) + share * (getattr(long, name) - getattr(short, name)) for name in names}
    return Cost(polls, **grown)


async def _heartbeats() -> int:
    """How many of one generation reach the server, whose file comes at once: with the real activities and server."""
    provider, buffer = Provider(), MetricBuffer(10_000)
    provider.start()
    with tempfile.TemporaryDirectory() as name:
        server = DevServer(Path(name))
        try:
            await ensure_search_attributes(await connected(server))
            client = await Client.connect(
                server.address,
                data_converter=pydantic_data_converter,
                runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer)),
            )
            async with build_worker(_settings(provider.url, name), client):
                given = {"request": request("heartbeats"), "poll": {"first": 1, "interval": 1}}
                await client.execute_workflow("GenerateVideo", given, id="heartbeats", task_queue=_QUEUE)
            return sum(
                int(update.value)
                for update in buffer.retrieve_updates()
                if update.metric.name == "temporal_request"
                and update.attributes.get("operation") == "RecordActivityTaskHeartbeat"
            )
        finally:
            server.kill()
            provider.stop()


def _settings(url: str = "http://127.0.0.1:9", output: str = "./videos") -> WorkerSettings:
    """By default of a worker whose activities call nobody."""
    return WorkerSettings(
        api_key=SecretStr(API_KEY),
        base_url=url,
        task_queue=_QUEUE,
        output=output,
        allowed_networks=(ip_network("127.0.0.0/8"),),
        shutdown_grace=1,
    )


def _section(found: dict[tuple[str, str], Cost], heartbeats: int) -> Section:
    rows, short = [], []
    for render in RENDERS:
        naive = found[render.name, "naive"]
        rows.append([render.name, "naive loop", *naive.cells()])
        for how in ("learned", "default"):
            cost = found[render.name, how].plus(heartbeats)
            rows.append(["", f"**ours, {how} durations**", *cost.cells(naive)])
            for what in _COUNTED if render.seconds >= _FROM else ():
                if (share := getattr(cost, what) / getattr(naive, what)) > HALF:
                    short.append(f"cost: {render.name}, {how} durations: {share:.2f} of the naive loop's {what}")
    heads = ["Render", "", "polls", *(head for what in _COUNTED for head in (what, "ratio"))]
    shown = {
        f"{'ours, ' if how != 'naive' else ''}{how}, {render.name}": found[render.name, how].actions
        / found[render.name, "naive"].actions
        for render in RENDERS
        for how in ("learned", "default")
    }
    chart = picture.bars("cost", "Actions of a generation", "times the naive loop's", shown, HALF)
    reached = "All reached." if not short else f"Missed: {'; '.join(short)}."
    text = _METHOD.format(heartbeats=heartbeats, every=_NAIVE_EVERY, half=HALF, reached=reached)
    return Section(f"{text}\n{table(heads, rows, 2)}\n\n{chart}", short)


_METHOD = """\
What a generation leaves in Temporal, all runs of its chain together, and how many actions Temporal Cloud would bill
(`benchmarks/actions.py` says what counts, and from where). Ours is the real workflow in the time-skipping server with
activities that answer by the server's clock; the naive loop creates, sleeps {every} s, asks, and downloads, with
nothing checked, shown or limited, and its longest figures follow from two shorter ones, since every poll of it costs
the same. Each render takes exactly its time, the first part of it in the queue. Learned durations come from 100
renders with a spread of a quarter around it; with default durations nothing is known.

Among our actions are {heartbeats} heartbeats, counted in a generation with the real activities and server, whose file
comes at once; a download has one more every 2 s. Bytes are those of the events.

To reach from 10 min on: {half} of the naive loop or less. {reached}
"""
