"""The Nexus service as workflows of another namespace meet it: they know its names and nothing else of this project."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from starlette.responses import JSONResponse
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from starter.nexus_endpoint import find_endpoint
from tests.support.command_line import CommandLine
from tests.support.dying_worker import STARTED
from tests.support.nexus_caller import CallManxue
from tests.support.processes import BIN, ROOT, DevServer, WorkerProcess, spawn, wait_for, worker_process
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import FAST, Handle, Runs, outcome, progress, request, until, until_phase

Failure = list[dict[str, Any]]
"""The causes of a NexusOperationError, from the outermost."""


async def answered(caller: Handle, seconds: float = 150) -> dict[str, Any]:
    """What a workflow that calls the service has to say in the end."""
    answer: dict[str, Any] = await asyncio.wait_for(caller.result(), seconds)
    return answer


class Studio:
    """Another team's namespace, with a worker of its own."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.endpoint = "manxue"
        self._queue = queue
        self._calls = 0

    async def start(self, operation: str, given: Any, seconds: float = 120) -> Handle:
        """Start a workflow that calls the operation."""
        self._calls += 1
        call = {"endpoint": self.endpoint, "operation": operation, "input": given, "seconds": seconds}
        return await self.client.start_workflow(
            "CallManxue", call, id=f"{self._queue}-{self._calls}", task_queue=self._queue
        )

    async def call(self, operation: str, given: Any, seconds: float = 120) -> Any:
        """The operation's result."""
        return (await answered(await self.start(operation, given, seconds)))["result"]

    async def failure(self, operation: str, given: Any, seconds: float = 120) -> Failure:
        """How an operation failed that must."""
        failure: Failure = (await answered(await self.start(operation, given, seconds)))["failure"]
        return failure


async def nexus_post(
    server: DevServer, client: Client, path: str, given: Any, headers: dict[str, str]
) -> httpx.Response:
    """An operation as it comes over HTTP, with headers that a workflow cannot choose."""
    endpoint = await find_endpoint(client, "manxue")
    assert endpoint
    url = f"{server.http_url}/nexus/endpoints/{endpoint.id}/services/manxue/{path}"
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        return await http.post(url, json=given, headers=headers)


@pytest.fixture
def cli(server: DevServer, tmp_path: Path) -> CommandLine:
    """The program, for whoever runs the house."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


@pytest.fixture(scope="module")
def endpoint(server: DevServer) -> None:
    """An endpoint that leads to the worker of the tests."""
    env = {"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": server.address}
    subprocess.run([BIN / "manxue", "setup", "--nexus"], env=env, check=True, timeout=60)


@pytest.fixture
async def studio(
    server: DevServer, endpoint: None, client: Client, worker: WorkerProcess, word: str
) -> AsyncIterator[Studio]:
    """A namespace with a worker of its own."""
    with suppress(RPCError):  # it is there already
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace="studio", workflow_execution_retention_period=Duration(seconds=24 * 3600)
            )
        )
    caller = await Client.connect(server.address, namespace="studio")
    async with Worker(caller, task_queue=word, workflows=[CallManxue]):
        yield Studio(caller, word)


async def test_the_example_orders_a_video_once_and_is_told_what_is_wrong(
    server: DevServer, studio: Studio, provider: Provider, folder: Path, word: str
) -> None:
    log = folder / f"example-{word}.log"
    log.touch()
    example = spawn(
        [sys.executable, str(ROOT / "examples" / "nexus" / "caller.py")],
        log,
        {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": "studio"},
        folder,
    )
    try:
        wait_for("polling", log, example)
        order = {"request": request(word), "poll": FAST}
        start = studio.client.execute_workflow
        made = await start("OrderVideo", order, id=word, task_queue="studio")
        again = await start("OrderVideo", order, id=word, task_queue="studio")
        wrong = await start("OrderVideo", {"request": {"prompt": word}}, id=f"{word}-wrong", task_queue="studio")
    finally:
        example.kill()
        example.wait()
    assert made == again
    assert made["uri"].startswith("file:///")
    assert ["model:" in line for line in wrong["wrong"]] == [True]
    assert len(provider.creates_of(word)) == 1


@pytest.fixture
async def short(
    folder: Path, worker_env: dict[str, str], studio: Studio, cli: CommandLine, word: str
) -> AsyncIterator[Studio]:
    """Calls that reach a worker whose runs continue as new after 40 events."""
    worker = WorkerProcess(folder, worker_env | {"MANXUE_TASK_QUEUE": word}, events=40)
    await cli.with_(MANXUE_TASK_QUEUE=word).run("setup", "--nexus", "--endpoint", f"e{word}")
    studio.endpoint = f"e{word}"
    worker.ready()
    yield studio
    worker.kill()


async def test_callers_with_one_id_share_one_render_over_continue_as_new(
    short: Studio, client: Client, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.moving(task) if task.queries < 9 else None
    given = {"workflow_id": word, "input": {"request": request(word), "poll": FAST}}
    first, second = await short.start("generate", given), await short.start("generate", given)
    await until(client.get_workflow_handle(word), lambda now: now["polls"] > 6)
    third = await short.start("generate", given)
    results = [(await answered(caller))["result"] for caller in (first, second, third)]
    assert results[0]["task_id"] in provider.tasks
    assert results == [results[0]] * 3
    assert len(provider.creates_of(word)) == 1
    chain = [run.run_id async for run in client.list_workflows(f"WorkflowId = '{word}'")]
    assert len(chain) > 1


async def test_an_id_that_was_used_delivers_what_it_bought_and_nothing_else(
    studio: Studio, provider: Provider, word: str
) -> None:
    given = {"workflow_id": word, "input": {"request": request(word), "poll": FAST}}
    refusals = [JSONResponse({"msg": "no credit"}, 402)]
    provider.on_create[word] = lambda body: refusals.pop() if refusals else None
    (broke,) = await studio.failure("generate", given)
    assert broke["type"] == "InsufficientBalance"
    first = await studio.call("generate", given)
    asked = provider.tasks[first["task_id"]].queries
    assert await studio.call("generate", given) == first
    assert provider.tasks[first["task_id"]].queries == asked
    assert len(provider.creates_of(word)) == 2
    conflict, cause = await studio.failure("generate", {**given, "input": {"request": request(f"{word} other")}})
    assert (conflict["type"], conflict["retryable"]) == ("CONFLICT", False)
    assert cause["type"] == "InvalidRequest"
    assert cause["details"][0]["problems"][0]["field"] == "workflow_id"
    assert provider.creates_of(f"{word} other") == []


async def test_an_id_of_a_run_that_another_client_started_delivers_no_other_request(
    studio: Studio, runs: Runs, provider: Provider, word: str
) -> None:
    given = {"request": request(word), "poll": FAST}
    first = await outcome(await runs.start(given, workflow_id=word))
    assert await studio.call("generate", {"workflow_id": word, "input": {**given, "name": word}}) == first
    other = {"workflow_id": word, "input": {"request": request(f"{word} other")}}
    assert (await studio.failure("generate", other))[0]["type"] == "CONFLICT"


WRONG: list[tuple[str, Any, set[tuple[str, str]]]] = [
    ("generate", None, {("input", "type")}),
    ("generate", [], {("input", "type")}),
    ("generate", {"workflow_id": ""}, {("workflow_id", "empty"), ("input", "required")}),
    ("generate", {"request": request("x")}, {("request", "unknown_field"), ("input", "required")}),
    ("generate", {"workflow_id": 5, "input": {}}, {("workflow_id", "type")}),
    ("progress", {"workflowId": "x"}, {("workflowId", "unknown_field"), ("workflow_id", "required")}),
    ("resolve", {"workflow_id": "x", "action": "buy"}, {("action", "choice")}),
    ("resolve", {"workflow_id": "x", "action": "adopt", "task_id": " "}, {("task_id", "format")}),
]


async def test_wrong_inputs_are_refused_at_once_with_the_fields_that_are_wrong(studio: Studio) -> None:
    failures = await asyncio.gather(*(studio.failure(operation, given) for operation, given, _ in WRONG))
    for (refused, cause), (operation, given, expected) in zip(failures, WRONG, strict=True):
        assert (refused["type"], refused["retryable"]) == ("BAD_REQUEST", False), (operation, given)
        assert cause["type"] == "InvalidRequest"
        found = {(problem["field"], problem["rule"]) for problem in cause["details"][0]["problems"]}
        assert found == expected, (operation, given)
        assert all(field in refused["message"] for field, _ in expected)


async def test_any_json_within_ends_as_a_clean_failure_of_the_run(studio: Studio, provider: Provider) -> None:
    bought = len(provider.creates)
    nonsense: list[Any] = [None, 5, [], "x", {"request": 1}, {"request": request("x"), "priority": 99, "tenant": 7}]
    failures = await asyncio.gather(
        *(studio.failure("generate", {"input": given}) for given in nonsense),
        studio.failure("generate", {"workflow_id": 'a"b', "input": {"request": request("x")}}),
    )
    assert [[cause["type"] for cause in failure] for failure in failures] == [["InvalidRequest"]] * 7
    assert all(failure[0]["details"][0]["problems"] for failure in failures)
    assert len(provider.creates) == bought


async def test_a_cancelled_operation_cancels_the_run_for_all_and_the_same_id_takes_the_render_up_again(
    studio: Studio, client: Client, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    given = {"workflow_id": word, "input": {"request": request(word), "poll": FAST}}
    one, other = await studio.start("generate", given), await studio.start("generate", given)
    run = client.get_workflow_handle(word)
    await until_phase(run, "rendering")
    await one.cancel()
    failures = [(await answered(caller))["failure"] for caller in (one, other)]
    assert [failure[0]["kind"] for failure in failures] == ["CancelledError"] * 2
    assert "goes on at the provider and is billed" in (await progress(run))["message"]
    del provider.on_query[word]
    assert (await studio.call("generate", given))["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1


async def test_a_run_is_watched_and_decided_about_from_outside_and_a_decision_counts_once(
    server: DevServer, studio: Studio, client: Client, provider: Provider, word: str
) -> None:
    answers = [bad_gateway(), bad_gateway()]
    provider.on_create[word] = lambda body: answers.pop() if answers else None
    which, run = {"workflow_id": word}, client.get_workflow_handle(word)
    ordered = await studio.start("generate", {**which, "input": {"request": request(word), "poll": FAST}})
    await until_phase(run, "needs_decision")
    assert (await studio.call("progress", which))["decision"]["actions"] == ["adopt", "resubmit", "abandon"]
    assert await studio.call("resolve", {**which, "action": "resubmit"}) is None
    await until(run, lambda now: now["phase"] == "needs_decision" and len(provider.creates_of(word)) == 2)
    task_id = next(task.id for task in provider.tasks.values() if word in task.body["prompt"])
    decision = {**which, "action": "adopt", "task_id": task_id}
    for _ in range(2):  # the server tries again what a dying worker has done and not answered
        answer = await nexus_post(server, client, "resolve", decision, {"Nexus-Request-Id": word})
        assert answer.status_code == 200, answer.text
    assert (await answered(ordered))["result"]["task_id"] == task_id
    (late,) = await studio.failure("resolve", {**which, "action": "resubmit"})
    assert (late["type"], late["retryable"]) == ("CONFLICT", False)
    assert "closed" in late["message"]


async def test_a_decision_that_nobody_asked_for_is_refused_with_the_reason(
    studio: Studio, client: Client, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    ordered = await studio.start("generate", {"workflow_id": word, "input": {"request": request(word), "poll": FAST}})
    await until_phase(client.get_workflow_handle(word), "rendering")
    refused, cause = await studio.failure("resolve", {"workflow_id": word, "action": "resubmit"})
    assert (refused["type"], refused["retryable"]) == ("CONFLICT", False)
    assert cause["type"] == "NoDecisionPending"
    assert "rendering" in refused["message"]
    del provider.on_query[word]
    await answered(ordered)


async def test_nothing_but_runs_of_this_service_can_be_reached_through_the_endpoint(
    server: DevServer, studio: Studio, client: Client, word: str
) -> None:
    """Not even with tokens of operations that nobody was ever given."""
    await client.start_workflow("Foreign", id=word, task_queue="nobody-polls-this")
    failures = [
        await studio.failure("progress", {"workflow_id": f"{word}-none"}),
        await studio.failure("progress", {"workflow_id": word}),
        await studio.failure("resolve", {"workflow_id": word, "action": "resubmit"}),
    ]
    for failure in failures:
        assert [(cause["type"], cause["retryable"]) for cause in failure] == [("NOT_FOUND", False)]
        assert "Foreign" not in failure[0]["message"]
    taken = await studio.failure("generate", {"workflow_id": word, "input": {"request": request(word)}})
    assert (taken[0]["type"], taken[1]["type"]) == ("CONFLICT", "InvalidRequest")
    tokens = [{"t": 1, "wid": word}, {"t": 2, "aid": word, "rid": "0199a2b4-0000-7000-8000-000000000000"}]
    for token in tokens:
        written = base64.urlsafe_b64encode(json.dumps({"ns": "default", **token}).encode()).decode().rstrip("=")
        answer = await nexus_post(server, client, "generate/cancel", None, {"Nexus-Operation-Token": written})
        assert answer.status_code == 404, answer.text
    assert len((await client.get_workflow_handle(word).fetch_history()).events) == 2


async def test_a_run_whose_workers_are_gone_is_told_and_blocks_no_other_operation(
    studio: Studio, client: Client, word: str
) -> None:
    """Errors that the server tries again would close the endpoint to the whole namespace after five of them."""
    await client.start_workflow("GenerateVideo", {}, id=word, task_queue="nobody-polls-this")
    asked = [studio.failure("progress", {"workflow_id": word}) for _ in range(6)]
    for failure in await asyncio.gather(*asked):
        assert [cause["type"] for cause in failure] == ["UPSTREAM_TIMEOUT"]
        assert "no worker is polling task queue nobody-polls-this" in failure[0]["message"]
    assert (await studio.failure("generate", {"input": {}}))[0]["type"] == "InvalidRequest"


async def test_a_worker_killed_between_start_and_answer_costs_no_second_render(
    folder: Path, worker_env: dict[str, str], studio: Studio, cli: CommandLine, provider: Provider, word: str
) -> None:
    env = worker_env | {"MANXUE_TASK_QUEUE": word}
    assert (await cli.with_(MANXUE_TASK_QUEUE=word).run("setup", "--nexus", "--endpoint", f"e{word}")).code == 0
    studio.endpoint = f"e{word}"
    dying = WorkerProcess(folder, env, dies=STARTED)
    await asyncio.to_thread(dying.ready)
    ordered = await studio.start("generate", {"input": {"request": request(word), "poll": FAST}})
    await asyncio.to_thread(dying.process.wait, 30)
    with worker_process(folder, env):
        made = (await answered(ordered))["result"]
    assert made["task_id"] in provider.tasks
    assert len(provider.creates_of(word)) == 1
    client = await Client.connect(worker_env["TEMPORAL_ADDRESS"])
    assert len([run async for run in client.list_workflows(f"TaskQueue = '{word}'")]) == 1


async def test_setup_makes_the_endpoint_once_and_changes_it_only_when_told_so(cli: CommandLine, word: str) -> None:
    name = f"e{word}"
    make = ("setup", "--nexus", "--endpoint", name)
    here, there = cli, cli.with_(MANXUE_TASK_QUEUE=word)
    assert f"{name} now leads to the task queue manxue in the namespace default" in (await here.run(*make)).err
    assert f"{name} leads already to the task queue manxue" in (await here.run(*make)).err
    refused = await there.run(*make)
    assert refused.code == 2
    assert f"error: the endpoint {name} leads to the task queue manxue" in refused.err
    changed = await there.run(*make, "--replace")
    assert f"{name} now leads to the task queue {word}" in changed.err
    invalid = await here.run("setup", "--nexus", "--endpoint", "no name")
    assert invalid.code == 2
    assert "no name" in invalid.err
