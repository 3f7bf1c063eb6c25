"""One trace leads from whoever orders a video to every activity of its run, and holds nothing that is secret."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.command_line import SECRETS, CommandLine
from tests.support.processes import ROOT, DevServer, WorkerProcess, worker_process
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, outcome, request
from tests.support.traces import Collector, Span

QUEUE = "traced"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where spans go."""
    collector = Collector().start()
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def traced(collector: Collector) -> dict[str, str]:
    """What a command and a worker need to send them there."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "MANXUE_TASK_QUEUE": QUEUE}


@pytest.fixture(scope="module")
def worker(folder: Path, worker_env: dict[str, str], traced: dict[str, str]) -> Iterator[WorkerProcess]:
    """A worker that does."""
    with worker_process(folder, worker_env | traced) as worker:
        yield worker


@pytest.fixture
def cli(server: DevServer, tmp_path: Path, traced: dict[str, str]) -> CommandLine:
    """A command line that does."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address, **traced})


async def test_one_trace_leads_from_the_command_to_the_calls_to_the_provider(
    cli: CommandLine, worker: WorkerProcess, collector: Collector, provider: Provider, word: str
) -> None:
    path = provider.image(f"{word}.png", "navy")
    options = ("--first-image", f"{path}?signature={word}-secret", "--poll-first", "0", "--poll-interval", "1")
    told = await cli.run("generate", "--prompt", f"{word}-prompt", *options, "--id", word)
    assert told.code == 0, told.err

    def whole(spans: list[Span]) -> bool:
        return any(
            s.name == "CompleteWorkflow:GenerateVideo" and s.attributes["temporalWorkflowID"] == word for s in spans
        )

    spans = await collector.until(whole)
    (root,) = [s for s in spans if s.name == "StartWorkflow:GenerateVideo"]
    assert (root.service, root.parent_id) == ("manxue", "")
    ours = {s.span_id: s for s in spans if s.trace_id == root.trace_id}
    below = {s.name: [a.name for a in _above(s, ours)] for s in ours.values()}
    assert below["RunWorkflow:GenerateVideo"] == ["StartWorkflow:GenerateVideo"]
    for name in ("validate", "review_assets", "submit", "poll", "download"):
        assert below[f"RunActivity:{name}"] == [f"StartActivity:{name}", "StartWorkflow:GenerateVideo"]
    assert below["provider create"][0] == "RunActivity:submit"
    assert {s.attributes["http.response.status_code"] for s in ours.values() if s.name == "provider create"} == {200}
    assert {s.service for s in ours.values()} == {"manxue", "manxue-worker"}
    assert not [s for s in spans if "Query" in s.name]
    assert not [secret for secret in (*SECRETS, f"{word}-secret", f"{word}-prompt") if secret in collector.said]

    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    (accepted,) = [line for line in lines if line["event"] == "submission.accepted"]
    assert accepted["trace_id"] == root.trace_id
    assert ours[accepted["span_id"]].name == "RunActivity:submit"


def _above(span: Span, spans: dict[str, Span]) -> list[Span]:
    above = spans.get(span.parent_id)
    return [above, *_above(above, spans)] if above else []


async def test_a_run_that_was_started_without_a_trace_is_one_all_the_same(
    client: Client, worker: WorkerProcess, collector: Collector, word: str
) -> None:
    handle = await Runs(client, QUEUE).start(request=request(word), poll=FAST)
    await outcome(handle)

    def own(spans: list[Span]) -> list[Span]:
        return [s for s in spans if s.attributes.get("temporalWorkflowID") == handle.id]

    spans = own(await collector.until(lambda spans: any("CompleteWorkflow" in s.name for s in own(spans))))
    assert {"RunWorkflow:GenerateVideo", "RunActivity:submit", "RunActivity:download"} <= {s.name for s in spans}
    assert len({s.trace_id for s in spans}) == 1


def test_without_the_standard_variable_nothing_of_opentelemetry_is_loaded() -> None:
    code = "import sys, worker, starter.cli.generate; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert loaded == "[]\n"


async def test_a_protocol_that_is_not_spoken_is_named(cli: CommandLine) -> None:
    told = await cli.with_(OTEL_EXPORTER_OTLP_PROTOCOL="grpc").run("list")
    assert told.code == 2
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc', but traces are sent by http/protobuf only" in told.err


async def test_a_collector_that_is_away_keeps_nobody(cli: CommandLine) -> None:
    lost = cli.with_(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    told = await lost.run("generate", "--prompt", "nobody looks", "--detach", seconds=30)
    assert told.code == 0
    assert told.err.count("\n") == 2
