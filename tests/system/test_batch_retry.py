"""`manxue batch retry` and `report` where runs were forgotten, adopted, or ordered by an earlier file."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from tests.support.command_line import CommandLine
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, WorkerProcess
from tests.support.provider import Provider
from tests.support.runs import FAST, Handle, Runs, request


@pytest.fixture
def cli(server: DevServer, tmp_path: Path, worker: WorkerProcess) -> CommandLine:
    """The program on the shared server and worker, in a directory without a local stack."""
    assert worker.process.poll() is None
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


def jsonl(cli: CommandLine, word: str, names: list[str], **more: Any) -> str:
    """A file with one whole input per line, told apart by the names."""
    lines = [json.dumps({"request": request(f"{word} {name}"), "poll": FAST, **more}) for name in names]
    (cli.folder / f"{word}.jsonl").write_text("\n".join(lines) + "\n")
    return f"{word}.jsonl"


def dark(provider: Provider, word: str) -> None:
    """Renders of such prompts fail."""
    provider.on_query[word] = lambda task: provider.status(task, "failed", error={"message": "too dark"})


async def forget(client: Client, workflow_id: str) -> None:
    """As the server does after the namespace's retention."""
    execution = WorkflowExecution(workflow_id=workflow_id)
    asked = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    await client.workflow_service.delete_workflow_execution(asked)
    async with asyncio.timeout(PATIENCE):
        while [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]:
            await asyncio.sleep(0.2)


async def run_of(client: Client, batch_id: str, line: int) -> Handle:
    """The run of a line."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{batch_id}:' AND ManxuePhase IS NOT NULL"):
                if (await run.memo()).get("line") == line:
                    return client.get_workflow_handle(run.id)
            await asyncio.sleep(0.2)


async def test_a_line_whose_run_is_forgotten_is_told_and_not_ordered_unasked(
    cli: CommandLine, client: Client, provider: Provider, word: str
) -> None:
    dark(provider, f"{word} dark")
    batch_id = f"batch-{word}"
    assert (await cli.run("batch", jsonl(cli, word, ["one", "dark", "two"]), "--key", word)).code == 1
    gone = [await run_of(client, batch_id, line) for line in (1, 3)]
    await asyncio.gather(*(forget(client, run.id) for run in gone))
    del provider.on_query[f"{word} dark"]
    retried = await cli.run("batch", "retry", batch_id)
    assert "1 of 3 lines" in retried.err
    assert f"left out: {word}.jsonl:1, 3: the runs were started" in retried.err
    assert len(retried.out.splitlines()) == 1
    assert len(provider.creates_of(word)) == 4
    report = await cli.run("batch", "report", batch_id)
    assert (cli.folder / report.out.strip()).read_text().count('class="forgotten"') == 2


async def test_a_render_that_fails_after_it_was_adopted_is_ordered_anew_by_the_next_retry(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    batch_id = f"batch-{word}"
    late = await cli.run("batch", jsonl(cli, word, ["one"], deadline="PT4S"), "--key", word)
    assert "DeadlineExceeded" in late.err
    dark(provider, word)
    assert "RenderFailed" in (await cli.run("batch", "retry", batch_id)).err
    assert len(provider.creates_of(word)) == 1
    del provider.on_query[word]
    assert (await cli.run("batch", "retry", f"{batch_id}~2")).code == 0
    assert len(provider.creates_of(word)) == 2


async def test_lines_that_had_no_place_for_their_videos_can_be_given_another_one(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    batch_id = f"batch-{word}"
    name = jsonl(cli, word, ["one"], output="file:///proc/nowhere/")
    assert "OutputUnavailable" in (await cli.run("batch", name, "--key", word)).err
    assert "OutputUnavailable" in (await cli.run("batch", "retry", batch_id)).err
    wrong = await cli.run("batch", "retry", batch_id, "--output", "ftp://host/")
    assert (wrong.code, "--output: must be file:///dir/" in wrong.err) == (2, True)
    mended = await cli.run("batch", "retry", batch_id, "--output", "elsewhere")
    assert (mended.code, Path(mended.out.strip()).parent) == (0, cli.folder / "elsewhere")
    assert len(provider.creates_of(word)) == 1


async def test_a_report_shows_the_lines_of_the_file_and_not_those_of_an_earlier_retry(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    dark(provider, f"{word} dark")
    batch_id = f"batch-{word}"
    await cli.run("batch", jsonl(cli, word, ["dark", "two"]), "--key", word)
    del provider.on_query[f"{word} dark"]
    assert (await cli.run("batch", "retry", batch_id)).code == 0
    dark(provider, f"{word} new")
    await cli.run("batch", jsonl(cli, word, ["new", "dark"]), "--key", word)
    report = await cli.run("batch", "report", batch_id)
    page = (cli.folder / report.out.strip()).read_text()
    assert (page.count('class="failed"'), page.count('class="completed"')) == (1, 1)
    assert page.index(f"{word} new") < page.index(f"{word} dark")


@pytest.mark.parametrize("arguments", [["nonsense"], [1, 2], []])
async def test_a_batch_that_was_started_with_nonsense_has_no_lines_to_show(
    cli: CommandLine, runs: Runs, word: str, arguments: list[Any]
) -> None:
    await runs.client.start_workflow("GenerateBatch", args=arguments, id=word, task_queue=runs.task_queue)
    for told in await cli.run_all(("batch", "report", word), ("batch", "retry", word)):
        assert told.code == 3
        assert "no requests that could be read" in told.err or "is going on" in told.err
