"""Whatever JSON a caller sends, the run fails cleanly with the whole list, and nothing is bought."""

import asyncio
import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from tests.support.patience import PATIENCE
from tests.support.processes import BIN, DevServer, WorkerProcess
from tests.support.provider import Provider
from tests.support.runs import Runs, failure_of, request


def raw(data: bytes) -> RawValue:
    """A payload that no Python client would send."""
    return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=data))


NONSENSE: dict[str, tuple[Any, set[tuple[str, str]]]] = {
    "empty object": ({}, {("request", "required")}),
    "list": ([], {("input", "type")}),
    "number": (5, {("input", "type")}),
    "string": ("video, please", {("input", "type")}),
    "null": (None, {("input", "type")}),
    "a number that no float can hold": (raw(b'{"request": {"duration": 1e999}}'), {("input", "type")}),
    "no JSON at all": (raw(b"\xff\x00"), {("input", "type")}),
    "more than a request can need": ({"request": request("x" * 300_000)}, {("input", "type")}),
    "request is a list": ({"request": [1]}, {("request", "type")}),
    "unknown fields": (
        {"request": request("x"), "outputs": "x", "pol": {}},
        {("outputs", "unknown_field"), ("pol", "unknown_field")},
    ),
    "everything at once": (
        {"request": {"model": "sora", "prompt": " ", "promt": "x"}, "deadline": "soon", "priority": 9, "name": "../x"},
        {
            ("model", "choice"),
            ("prompt", "empty"),
            ("promt", "unknown_field"),
            ("deadline", "type"),
            ("priority", "range"),
            ("name", "format"),
        },
    ),
    "what Temporal or pydantic would take in a way of their own": (
        {"request": request("x"), "tenant": "é" * 64, "deadline": True, "poll": {"interval": True}, "task_id": ".."},
        {("tenant", "range"), ("deadline", "type"), ("poll.interval", "type"), ("task_id", "format")},
    ),
    "a port where none can be": ({"request": request("x"), "output": "s3://b:99999/x"}, {("output", "url")}),
    "path tricks in output": ({"request": request("x"), "output": "file:///videos/%2e%2e/etc/"}, {("output", "url")}),
    "a template without a time": (
        {"request": request("{{ scheduled }}"), "template": {}, "priority": 9},
        {("template.scheduled", "required"), ("priority", "range")},
    ),
    "placeholders that stand for nothing": (
        {"request": request("{{ x }}" * 30_000), "name": "{{", "template": {"scheduled": "2026-11-25T09:00:00Z"}},
        {("prompt", "choice"), ("name", "format")},
    ),
    "the internal form of a continued run": (
        {"continued": {}},
        {("continued", "unknown_field"), ("request", "required")},
    ),
}


def problems(failure: ApplicationError) -> set[tuple[str, str]]:
    assert failure.type == "InvalidRequest"
    return {(problem["field"], problem["rule"]) for problem in failure.details[0]["problems"]}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_fails_the_run_with_all_that_is_wrong(
    client: Client, runs: Runs, provider: Provider, name: str
) -> None:
    given, expected = NONSENSE[name]
    before = len(provider.creates)
    handle = await client.start_workflow("GenerateVideo", given, id=f"bad-{abs(hash(name))}", task_queue="manxue")
    failure = await failure_of(handle, 20)
    assert problems(failure) == expected
    assert len(provider.creates) == before


@pytest.mark.parametrize("count", [0, 2])
async def test_a_wrong_number_of_arguments_fails_the_run(client: Client, worker: WorkerProcess, count: int) -> None:
    args = [{"request": request("x")}] * count
    handle = await client.start_workflow("GenerateVideo", args=args, id=f"args-{count}", task_queue="manxue")
    assert problems(await failure_of(handle, 20)) == {("input", "type")}


async def test_the_nearest_known_field_is_named(runs: Runs) -> None:
    failure = await runs.failure({"request": request("x"), "outputs": "file:///x/"})
    (problem,) = failure.details[0]["problems"]
    assert "`output`" in problem["hint"]
    assert "outputs" in failure.message


async def test_an_output_that_cannot_be_written_is_found_before_anything_is_bought(
    runs: Runs, provider: Provider, word: str
) -> None:
    failure = await runs.failure(request=request(word), output="file:///proc/nowhere/")
    assert failure.type == "OutputUnavailable"
    assert provider.creates_of(word) == []


async def test_a_broken_update_is_refused_and_changes_nothing(runs: Runs, provider: Provider, word: str) -> None:
    handle = await runs.start(request=request(word))
    broken: list[Any] = [{"action": "buy"}, {"action": "adopt"}, [], {"action": "abandon"}]
    for given in broken:
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update("resolve_submission", given)
    assert (await handle.result())["task_id"]


async def test_a_run_started_by_the_temporal_cli_with_plain_json_works(
    server: DevServer, worker: WorkerProcess, word: str, provider: Provider
) -> None:
    given = json.dumps({"request": request(word), "poll": {"first": "PT1S", "interval": 1}})
    command = ["workflow", "execute", "--type", "GenerateVideo", "--task-queue", "manxue", "--input", given]
    process = await asyncio.create_subprocess_exec(
        BIN / "temporal", *command, "--address", server.address, "-o", "json", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert json.loads(output)["result"]["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1


async def test_null_stands_for_what_was_not_given(runs: Runs, word: str) -> None:
    given = {"request": request(word), "poll": {"first": 1, "interval": 1, "max_interval": None}}
    empty = dict.fromkeys(("output", "name", "deadline", "asset_review", "tenant", "extra", "strict_media"))
    assert (await runs.result({**given, **empty}))["task_id"]
