"""What `manxue doctor` promises: it names what is wrong, says what to do, and spends nothing."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from socket import create_server

import pytest
from temporalio.client import Client

from starter.checks import workers
from tests.support.command_line import CommandLine, Told
from tests.support.object_store import BUCKET, ObjectStore
from tests.support.processes import API_KEY, DevServer, WorkerProcess, free_port, worker_process
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import FAST, Runs, request, until_phase
from tests.support.worker_versions import set_current, temporal

CHECKS = [
    "temporal", "namespace", "search attributes", "workers", "provider", "api key", "clock",
    "output", "staging", "python", "packages", "temporal cli", "encryption",
]  # fmt: skip


@pytest.fixture
def cli(server: DevServer, provider: Provider, tmp_path: Path) -> CommandLine:
    """The program where everything is as it should be, but for the worker."""
    environment = {
        "TEMPORAL_ADDRESS": server.address,
        "MANXUE_BASE_URL": provider.url,
        "MANXUE_API_KEY": API_KEY,
        "MANXUE_OUTPUT": str(tmp_path / "videos"),
    }
    return CommandLine(tmp_path, environment)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def verdicts(told: Told) -> dict[str, str]:
    return {finding["name"]: finding["verdict"] for finding in json.loads(told.out)}


def texts(told: Told) -> dict[str, str]:
    return {finding["name"]: finding["text"] for finding in json.loads(told.out)}


async def test_a_whole_setup_is_ok_and_nothing_is_bought_or_made(
    cli: CommandLine, worker: WorkerProcess, provider: Provider, store: ObjectStore
) -> None:
    bought = len(provider.creates)
    staged = cli.with_(**store.env, MANXUE_STAGING=f"s3://{BUCKET}/doctor/")
    as_json, plain = await staged.run_all(("doctor", "--json"), ("doctor",))
    assert (as_json.code, plain.code) == (0, 0)
    assert verdicts(as_json) == dict.fromkeys(CHECKS, "ok")
    assert f"{worker.process.pid}@" in texts(as_json)["workers"]
    assert [line.split()[0] for line in plain.out.splitlines()] == ["ok"] * len(CHECKS)
    assert len(provider.creates) == bought
    assert not (cli.folder / "videos").exists()


async def test_what_is_wrong_is_named_with_what_to_do_and_the_rest_is_looked_at_all_the_same(
    cli: CommandLine, worker: WorkerProcess
) -> None:
    (cli.folder / "file").touch()
    wrong = cli.with_(
        MANXUE_API_KEY="sk-wrong", MANXUE_OUTPUT=str(cli.folder / "file" / "x"), MANXUE_TASK_QUEUE="nobody-polls-this"
    )
    told = await wrong.run("doctor", "--json")
    assert told.code == 4
    assert "3 of 13 checks failed" in told.err
    assert {name for name, verdict in verdicts(told).items() if verdict == "failed"} == {"api key", "output", "workers"}
    said = texts(told)
    assert "MANXUE_API_KEY" in said["api key"]
    assert "MANXUE_OUTPUT" in said["output"]
    assert "manxue worker" in said["workers"]
    assert "sk-wrong" not in told.out + told.err


async def test_without_a_key_it_says_that_the_key_was_not_checked_and_that_is_no_failure(
    cli: CommandLine, worker: WorkerProcess
) -> None:
    told = await cli.with_(MANXUE_API_KEY="").run("doctor", "--json")
    assert told.code == 0
    assert {name for name, verdict in verdicts(told).items() if verdict != "ok"} == {"api key", "staging"}
    assert "not set in this shell" in texts(told)["api key"]


async def test_servers_that_never_answer_are_given_up_soon(cli: CommandLine, silent: str) -> None:
    told = await cli.with_(TEMPORAL_ADDRESS=silent, MANXUE_BASE_URL=f"http://{silent}").run(
        "doctor", "--json", seconds=25
    )
    assert told.code == 4
    assert {name for name, verdict in verdicts(told).items() if verdict == "failed"} == {"temporal", "provider"}
    assert "does not answer within 8 s" in texts(told)["temporal"]
    assert verdicts(told)["output"] == "ok"


async def test_a_namespace_that_is_not_there_and_a_provider_that_is_none_are_told(
    cli: CommandLine, server: DevServer
) -> None:
    nowhere = {"TEMPORAL_NAMESPACE": "nonsense", "MANXUE_BASE_URL": f"http://127.0.0.1:{free_port()}"}
    told = await cli.with_(**nowhere).run("doctor", "--json")
    assert told.code == 4
    assert "temporal operator namespace create -n nonsense" in texts(told)["namespace"]
    assert "could not be reached" in texts(told)["provider"]
    assert verdicts(told)["temporal"] == "ok"


async def test_a_version_without_work_is_told_with_the_command_and_so_is_a_build_that_is_missed(
    cli: CommandLine,
    server: DevServer,
    client: Client,
    provider: Provider,
    worker_env: dict[str, str],
    folder: Path,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, name = "doctor-versions", "seen-by-doctor"
    versions = {**worker_env, "MANXUE_TASK_QUEUE": queue, "MANXUE_DEPLOYMENT_NAME": name}
    doctor = cli.with_(MANXUE_TASK_QUEUE=queue)
    with worker_process(folder, {**versions, "MANXUE_BUILD_ID": "one"}):
        before = await doctor.run("doctor", "--json")
        assert verdicts(before)["workers"] == "failed"
        await temporal(server, *texts(before)["workers"].partition(": temporal ")[2].split())
        after = await doctor.run("doctor", "--json")
        assert verdicts(after)["workers"] == "ok"
        assert "(build one, current)" in texts(after)["workers"]
        provider.on_create[word] = lambda _: bad_gateway()
        held = await Runs(client, queue).start(request=request(word), poll=FAST)
        await until_phase(held, "needs_decision")
    with worker_process(folder, {**versions, "MANXUE_BUILD_ID": "two"}):
        await set_current(server, name, "two")
        monkeypatch.setattr(workers, "_POLLS_EVERY", timedelta())  # else a dead worker is taken for alive for a while
        (missed,) = await workers.abandoned_builds(client, queue)
        assert missed.verdict == "failed"
        assert missed.text.startswith("one has no workers, and open runs that stay with it: 1.")
        assert f"MANXUE_DEPLOYMENT_NAME={name} MANXUE_BUILD_ID=one" in missed.text
        await held.terminate()
