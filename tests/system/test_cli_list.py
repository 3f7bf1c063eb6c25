"""What `manxue list` promises, on the real server's visibility."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import Worker

from tests.support.command_line import CommandLine
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, outcome, request, until_phase

ASLEEP = {"first": 600}


@pytest.fixture
def cli(server: DevServer, tmp_path: Path) -> CommandLine:
    """The program on the shared server."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


async def until_states(cli: CommandLine, tenant: str, states: dict[str, str], *options: str) -> list[dict[str, Any]]:
    """The list of a tenant's runs, once they are in these states: lists follow with a delay."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = await cli.run("list", "--tenant", tenant, "--json", *options)
            listed: list[dict[str, Any]] = json.loads(told.out)
            if {run["id"]: run["state"] for run in listed} == states:
                return listed


async def test_runs_are_found_by_phase_model_tenant_task_and_age(
    cli: CommandLine, runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[f"{word}-fails"] = lambda task: provider.status(task, "failed", error="no")
    tenant = f"{word}'s %_"
    queued = await runs.start(request=request(word), poll=ASLEEP, tenant=tenant, workflow_id=f"{word}-queued")
    ended = await runs.start(request=request(word), poll=ASLEEP, tenant=tenant, workflow_id=f"{word}-ended")
    failed = await runs.start(request=request(f"{word}-fails"), tenant=tenant, workflow_id=f"{word}-failed")
    task_id = (await until_phase(queued, "queued"))["task_id"]
    await until_phase(ended, "queued")
    await ended.terminate()
    states = {queued.id: "queued", ended.id: "terminated", failed.id: "failed"}
    listed = await until_states(cli, tenant, states)
    first = listed[0]
    assert (first["id"], first["model"], first["task_id"], first["tenant"]) == (
        queued.id,
        "sd2_manxue_720p",
        task_id,
        tenant,
    )
    wanted = {
        ("--phase", "queued"): {queued.id},
        ("--phase", "terminated", "--phase", "failed"): {ended.id, failed.id},
        ("--open",): {queued.id},
        ("--closed", "--model", "sd2_manxue_720p"): {ended.id, failed.id},
        ("--model", "sd2_manxue_4k"): set(),
        ("--task-id", task_id): {queued.id},
        ("--since", "1h"): set(states),
        ("--since", "PT0.001S"): set(),
    }
    told = await cli.run_all(*(("list", "--tenant", tenant, "--json", *options) for options in wanted))
    assert [{run["id"] for run in json.loads(one.out)} for one in told] == list(wanted.values())


async def test_a_table_shows_the_prompt_and_says_when_there_are_more(cli: CommandLine, runs: Runs, word: str) -> None:
    generate = ("generate", "--detach", "--tenant", word, "--poll-first", "600", "--prompt")
    await cli.run_all((*generate, f"a cat {word}", "--id", f"{word}-1"), (*generate, "世界", "--id", f"{word}-2"))
    for number in (1, 2):
        await until_phase(runs.client.get_workflow_handle(f"{word}-{number}"), "queued")
    await until_states(cli, word, {f"{word}-1": "queued", f"{word}-2": "queued"})
    table, one, none = await cli.run_all(
        ("list", "--tenant", word), ("list", "--tenant", word, "-n", "1"), ("list", "--tenant", f"x' OR 'x' != '{word}")
    )
    head, *rows = table.out.splitlines()
    assert head.split() == ["ID", "STATE", "MODEL", "AGE", "TASK", "PROMPT"]
    assert sorted(row.split()[0] for row in rows) == [f"{word}-1", f"{word}-2"]
    assert {row[head.index("PROMPT") :] for row in rows} == {f"a cat {word}", "世界"}
    assert len(one.out.splitlines()) == 2
    assert "1 of 2 runs; more: --limit 2" in one.err
    assert (none.code, none.out, none.err) == (0, "", "no runs\n")


@workflow.defn(name="GenerateVideo", sandboxed=False)
class Continues:
    """Continues as new as often as its argument says, a second after each start."""

    @workflow.run
    async def run(self, times: int) -> None:
        await workflow.sleep(1)
        if times:
            workflow.continue_as_new(times - 1)


async def test_a_run_that_continued_as_new_is_one_run_since_its_first_start(
    cli: CommandLine, client: Client, word: str
) -> None:
    async with Worker(client, task_queue=word, workflows=[Continues]):
        handle = await client.start_workflow("GenerateVideo", 2, id=word, task_queue=word)
        begun = (await handle.describe()).start_time
        await handle.result()
    async with asyncio.timeout(PATIENCE):
        while True:
            everything = json.loads((await cli.run("list", "--limit", "1000", "--closed", "--json")).out)
            if listed := [run for run in everything if run["id"] == word]:
                break
    assert [datetime.fromisoformat(run["started_at"]) for run in listed] == [begun]


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        (("--since", "soon"), "--since"),
        (("--since", "-1h"), "--since"),
        (("--phase", "nowhere"), "needs_decision"),
        (("--tenant", 'a"b'), "--tenant"),
        (("--limit", "0"), "--limit"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named_without_any_server(
    cli: CommandLine, options: tuple[str, ...], phrase: str
) -> None:
    told = await cli.with_(TEMPORAL_ADDRESS="127.0.0.1:1").run("list", *options)
    assert (told.code, told.out) == (2, "")
    assert phrase in told.err


async def test_a_memo_that_nobody_here_can_read_neither_holds_its_run_up_nor_hides_the_others(
    cli: CommandLine, runs: Runs, word: str
) -> None:
    """A caller's own: in a codec of its own, or under a name that is also ours."""
    strange = RawValue(Payload(metadata={"encoding": b"binary/snappy"}, data=b"\xff"))
    memos: dict[str, dict[str, Any]] = {
        "codec": {"summary": strange, "note": strange},
        "other": {"note": strange, "request_sha256": 5},
        "names": {"summary": 5, "outcome": {}},
    }
    given = {"request": request(word), "tenant": word, "poll": FAST}
    handles = [
        await runs.client.start_workflow(
            "GenerateVideo", given, id=f"{word}-{name}", task_queue=runs.task_queue, memo=memo
        )
        for name, memo in memos.items()
    ]
    for handle in handles:
        await outcome(handle)
    await until_states(cli, word, {handle.id: "completed" for handle in handles})
    for handle in handles:
        again = await cli.run("generate", "--id", handle.id, "--prompt", word, "--duration", "4", "--tenant", word)
        assert (again.code, "nothing new was started" in again.err) == (0, True)
