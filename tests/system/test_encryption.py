"""Payload encryption: nothing readable in the server's own database, everything readable for who has the keys."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from tests.support.command_line import CommandLine
from tests.support.four_runs import FourRuns, four_runs
from tests.support.keys import client_with, new_key
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, WorkerProcess, wait_for
from tests.support.provider import Provider
from tests.support.runs import FAST, Handle, Runs, outcome, request, until_phase

OLD, NEW = new_key("2026-05"), new_key("2026-11")
PRIVATE = {
    "prompt of a run that goes on": "waves as high as houses",
    "prompt of a held run": "crossing a puddle",
    "prompt of a failed run": "on a red carpet",
    "prompt of a finished run": "turns its head",
    "why it failed": "shows a person who may not be shown",
    "URL of an image": "/media/",
    "id of a reviewed asset": ".png",
    "where the video is": ".mp4",
    "prompt of a line of a batch": "a herd of paper sheep",
    "prompt of a schedule": "a sundial in the evening",
    "stack trace": '.py", line',
}
"""What it is -> words that stand only in it."""


@dataclass(frozen=True)
class House:
    """A server with its own database, beside the one that all tests share."""

    folder: Path
    server: DevServer
    worker_env: dict[str, str]

    def worker(self, keys: str) -> WorkerProcess:
        """A worker with these keys."""
        env = {**self.worker_env, "TEMPORAL_ADDRESS": self.server.address, "MANXUE_ENCRYPTION_KEYS": keys}
        return WorkerProcess(self.folder, env).ready()

    def cli(self, keys: str = "") -> CommandLine:
        """The command line with these keys."""
        return CommandLine(
            self.folder, {"TEMPORAL_ADDRESS": self.server.address, "MANXUE_ENCRYPTION_KEYS": keys, "COLUMNS": "300"}
        )


@pytest.fixture
def house(tmp_path: Path, worker_env: dict[str, str]) -> Iterator[House]:
    """A server of its own."""
    server = DevServer(tmp_path)
    yield House(tmp_path, server, worker_env)
    server.kill()


def found(database: Path) -> set[str]:
    """Which of the private things stand in a database of the server."""
    stored = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
    assert len(stored) > 100_000
    return {what for what, words in PRIVATE.items() if words.encode() in stored}


async def everything(runs: Runs, cli: CommandLine, provider: Provider, word: str) -> FourRuns:
    """Runs of every kind, a batch with its requests on pages, and a schedule."""
    four = await four_runs(runs, provider, word)
    provider.on_query["paper sheep, lost"] = lambda task: provider.status(task, "failed", error={"message": "lost"})
    prompts = [f"a herd of paper sheep, {word}", f"a herd of paper sheep, lost, {word}"]
    lines = [json.dumps({"request": request(prompt), "poll": FAST}) for prompt in prompts]
    (cli.folder / f"{word}.jsonl").write_text("\n".join(lines))
    ended = await cli.run("batch", f"{word}.jsonl", seconds=90)
    assert "1 failed" in ended.err, ended.err
    scene = json.dumps({"request": request(f"a sundial in the evening, {word}")})
    made = await cli.run("schedule", "create", word, "--every", "1d", "--request", "-", stdin=scene)
    assert made.code == 0, made.err
    return four


async def test_the_servers_database_has_nothing_readable_and_who_has_the_keys_reads_all(
    house: House, runs: Runs, server: DevServer, folder: Path, provider: Provider, word: str
) -> None:
    control = CommandLine(house.folder, {"TEMPORAL_ADDRESS": server.address})
    await everything(runs, control, provider, f"{word}a")
    assert found(folder / "temporal.db") == set(PRIVATE)

    worker, cli = house.worker(NEW), house.cli(NEW)
    try:
        closed = Runs(await client_with(house.server.address, NEW), "manxue")
        four = await everything(closed, cli, provider, f"{word}b")
        result = await outcome(four.finished)
        shown = await cli.run_all(
            ("list", "--json"),
            ("status", four.held.id),
            ("result", four.failed.id),
            ("watch", four.finished.id, "--json"),
            ("schedule", "describe", f"{word}b"),
        )
        refused, keyless = await house.cli().run_all(("result", four.finished.id), ("list",))
    finally:
        worker.stop()
    assert found(house.folder / "temporal.db") == set()

    listed, held, failed, watched, scheduled = shown
    assert all(words in listed.out for words in ("waves as high as houses", "turns its head"))
    assert "nobody knows whether the provider accepted" in held.out.lower() + held.err.lower()
    assert failed.code == 1
    assert "RenderFailed: the provider could not render the video: the picture shows a person" in failed.err
    assert result["video"]["uri"] in watched.out
    assert "a sundial in the evening" in scheduled.out
    assert (refused.code, keyless.code) == (4, 0)
    assert "encrypted with the key '2026-11', and there are no keys here" in refused.err
    assert "encrypted with the key '2026-11', and there are no keys here" in keyless.out
    assert four.held.id in keyless.out


async def test_another_service_sends_plain_json_and_sees_the_type_of_a_failure_without_keys(
    house: House, provider: Provider, word: str
) -> None:
    provider.on_query[f"{word} bad"] = lambda task: provider.status(task, "failed", error={"message": "too dark"})
    worker = house.worker(NEW)
    try:
        plain = Runs(await Client.connect(house.server.address, data_converter=pydantic_data_converter), "manxue")
        good, bad = [await plain.start(request=request(f"{word} {name}")) for name in ("good", "bad")]
        keyed = await client_with(house.server.address, NEW)
        assert (await outcome(keyed.get_workflow_handle(good.id)))["task_id"]
        with pytest.raises(WorkflowFailureError) as raised:
            await outcome(keyed.get_workflow_handle(bad.id))
    finally:
        worker.stop()
    assert isinstance(raised.value.cause, ApplicationError)
    assert (raised.value.cause.type, "too dark" in raised.value.cause.message) == ("RenderFailed", True)
    last = [event async for event in bad.fetch_history_events()][-1]
    failure = last.workflow_execution_failed_event_attributes.failure
    assert (failure.application_failure_info.type, failure.message) == ("RenderFailed", "Encoded failure")


async def test_keys_rotate_while_a_run_is_under_way_and_a_lost_key_stops_it_plainly_until_it_is_back(
    house: House, provider: Provider, word: str
) -> None:
    rendering = True
    provider.on_query[f"{word} long"] = lambda task: provider.moving(task) if rendering else None
    both, word_of_old = f"{NEW},{OLD}", "a payload is encrypted with the key '2026-05', and the keys here are 2026-11"

    worker = house.worker(OLD)
    old = Runs(await client_with(house.server.address, OLD), "manxue")
    finished = await old.start(request=request(f"{word} short"))
    long = await old.start(request=request(f"{word} long"))
    await outcome(finished)
    await until_phase(long, "rendering")
    assert worker.stop() == 0

    worker = house.worker(NEW)
    wait_for(word_of_old, worker.log, worker.process, 60)
    refused = await house.cli(NEW).run("result", finished.id)
    async with asyncio.timeout(PATIENCE):  # first the poll's attempts fail, then what hears of it
        while not (why := await why_tasks_fail(long)):
            await asyncio.sleep(0.5)
    asked = await house.cli(both).run("status", long.id)
    assert why == {word_of_old}
    assert worker.stop() == 0
    assert "Traceback" not in worker.log.read_text()
    assert refused.code == 4
    assert word_of_old in refused.err
    assert (asked.code, "in vain, and the worker's log says why" in asked.err) == (4, True), asked

    worker = house.worker(both)
    rendering = False
    told = await house.cli(both).run_all(("watch", long.id), ("result", finished.id))
    assert worker.stop() == 0
    assert [(answer.code, answer.out.endswith(".mp4\n")) for answer in told] == [(0, True)] * 2, told
    assert len(provider.creates_of(f"{word} long")) == 1


async def why_tasks_fail(handle: Handle) -> set[str]:
    """What the server, and so the Web UI, says of the workflow tasks of a run that failed: up to the advice."""
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    events = [event async for event in handle.fetch_history_events() if event.event_type == failed]
    return {event.workflow_task_failed_event_attributes.failure.message.split(": add")[0] for event in events}
