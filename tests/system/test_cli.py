"""What the command line promises about runs: the real program against a real server, worker and provider."""

import asyncio
import json
import re
import shlex
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from manxue.failure import FailureType
from tests.support.broken_line import broken_line
from tests.support.command_line import CommandLine, Told
from tests.support.contract import said
from tests.support.processes import DevServer, free_port, worker_process
from tests.support.provider import Provider, bad_gateway, size
from tests.support.runs import FAST, Runs, failure_of, outcome, request, until, until_phase
from tests.support.video import mp4
from workflows.contract import Progress, VideoResult

QUICK = ("--duration", "4", "--poll-first", "0", "--poll-interval", "1")
ASLEEP = ("--duration", "4", "--poll-first", "600")
"""Polls only when it is told to."""


@pytest.fixture
def cli(server: DevServer, tmp_path: Path) -> CommandLine:
    """The program on the shared server, without an API key, in a directory without a local stack."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


@pytest.fixture
def nowhere(tmp_path: Path) -> CommandLine:
    """The program with an address at which nobody listens."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"})


@pytest.mark.usefixtures("runs")
async def test_generate_prints_the_path_alone_and_the_progress_beside_it(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    told = await cli.run("generate", "--prompt", word, *QUICK)
    assert told.code == 0
    path = Path(told.out.removesuffix("\n"))
    (body,) = provider.creates_of(word)
    assert path.read_bytes() == mp4(*size(body), 4)
    for phrase in ("started video-", "queued: ", "rendering: ", "completed: ", "1280x720", "sha256 "):
        assert phrase in told.err


@pytest.mark.usefixtures("runs")
async def test_the_same_key_is_the_same_render_and_another_request_is_refused(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    generate = ("generate", "--key", word, "--prompt")
    both = await cli.run_all((*generate, word, *QUICK), (*generate, word, *QUICK))
    again, other = await cli.run_all((*generate, word, *QUICK, "--json"), (*generate, f"{word} other"))
    assert [told.code for told in (*both, again, other)] == [0, 0, 0, 2]
    assert sorted("exists already" in told.err for told in both) == [False, True]
    assert "exists already (completed), nothing new was started" in again.err
    assert both[0].out == both[1].out == VideoResult.model_validate_json(again.out).video.uri[len("file://") :] + "\n"
    assert f"generate-{word} was started with another request" in other.err
    assert other.out == ""
    assert len(provider.creates_of(word)) == 1


@pytest.mark.usefixtures("runs")
async def test_a_request_is_a_yaml_or_json_file_or_standard_input_with_options_on_top(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    whole = {"request": {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "1:1"}, "name": word}
    (cli.folder / "a.yaml").write_text("model: sd2_manxue_720p\nprompt: no\nratio: 16:9\nduration: 4\n")
    (cli.folder / "b.json").write_text(json.dumps(whole))
    told = await asyncio.gather(
        cli.run("generate", "--request", "a.yaml", *QUICK, "--json"),
        cli.run("generate", "-r", "b.json", "--ratio", "9:16", *QUICK, "--json"),
        cli.run("generate", "-r", "-", *QUICK, "--json", stdin=f"model: sd2_manxue_720p\nprompt: {word}-\n"),
    )
    results = [VideoResult.model_validate_json(one.out) for one in told]
    sent = [provider.tasks[result.task_id].body for result in results]
    assert [body["prompt"] for body in sent] == ["no", word, f"{word}-"]
    assert [body["ratio"] for body in sent[:2]] == ["16:9", "9:16"]
    assert results[1].video.uri.endswith(f"/{word}.mp4")


async def test_a_detached_run_can_be_looked_at_asked_about_watched_and_collected(
    cli: CommandLine, runs: Runs, word: str
) -> None:
    begun = await cli.run("generate", "--detach", "--key", word, "--prompt", word, *ASLEEP)
    run_id = f"generate-{word}"
    assert begun.out == f"{run_id}\n"
    await until_phase(runs.client.get_workflow_handle(run_id), "queued")
    shown, as_json, too_early = await cli.run_all(("status", run_id), ("status", run_id, "--json"), ("result", run_id))
    assert "queued, for" in shown.out
    assert json.loads(as_json.out)["status"] == "running"
    assert Progress.model_validate_json(as_json.out).polls == 0
    assert (too_early.code, too_early.out) == (3, "")
    assert f"manxue watch {run_id}" in too_early.err
    async with cli.started("watch", run_id) as watching:
        await watching.says("queued: ")
        asked = [await cli.run("poll-now", run_id) for _ in range(2)]
        assert "rendering" in asked[1].out
        await cli.run("poll-now", run_id)
        watched = await watching.told()
    (collected,) = await cli.run_all(("result", run_id))
    assert [told.code for told in (begun, shown, as_json, *asked, watched, collected)] == [0] * 7
    assert watched.out == collected.out
    assert Path(collected.out.strip()).exists()


async def test_cancel_names_the_task_that_is_billed_and_so_does_result_afterwards(
    cli: CommandLine, runs: Runs, word: str
) -> None:
    run_id = (await cli.run("generate", "-d", "--prompt", word, *ASLEEP)).out.strip()
    queued = await until_phase(runs.client.get_workflow_handle(run_id), "queued")
    billed = f"Task {queued['task_id']} goes on at the provider and is billed."
    cancelled = await cli.run("cancel", run_id)
    result, again = await cli.run_all(("result", run_id), ("cancel", run_id))
    assert (cancelled.code, result.code, again.code) == (0, 1, 3)
    assert billed in cancelled.err
    assert billed in result.err
    assert "closed already (canceled)" in again.err


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("decision", "creates", "code"), [(["--adopt", ""], 1, 0), (["--resubmit"], 2, 0), (["--abandon"], 1, 1)]
)
async def test_a_held_run_shows_how_to_decide_and_obeys(
    cli: CommandLine, provider: Provider, word: str, decision: list[str], creates: int, code: int
) -> None:
    provider.on_create[word] = lambda body: bad_gateway() if len(provider.creates_of(word)) == 1 else None
    run_id = f"generate-{word}"
    async with cli.started("generate", "--prompt", word, "--key", word, *QUICK) as generating:
        await generating.says(f"manxue resolve {run_id} --abandon")
        if "--adopt" in decision:
            decision = ["--adopt", next(task.id for task in provider.tasks.values() if word in task.body["prompt"])]
        status = await cli.run("status", run_id)
        resolved = await cli.run("resolve", run_id, *decision)
        generated = await generating.told()
    assert all(f"resolve {run_id} {option}" in status.err for option in ("--adopt", "--resubmit", "--abandon"))
    assert "needs_decision" in status.out
    assert (resolved.code, generated.code) == (0, code)
    assert (FailureType.SUBMISSION_UNKNOWN in generated.err) == (code == 1)
    assert len(provider.creates_of(word)) == creates


async def test_what_is_not_possible_now_is_said_with_code_3(cli: CommandLine, runs: Runs, word: str) -> None:
    run_id = (await cli.run("generate", "-d", "--prompt", word, *ASLEEP)).out.strip()
    await until_phase(runs.client.get_workflow_handle(run_id), "queued")
    commands = [(name, word) for name in ("status", "watch", "result", "cancel", "poll-now")]
    not_held, *unknown = await cli.run_all(("resolve", run_id, "--abandon"), *commands, ("resolve", word, "--abandon"))
    assert not_held.code == 3
    assert "queued" in not_held.err
    assert {(told.code, told.err) for told in unknown} == {
        (3, f"error: there is no run '{word}' in the namespace default\n")
    }


@pytest.mark.usefixtures("runs")
async def test_a_failed_render_is_a_type_a_reason_and_a_next_step(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    provider.on_query[word] = lambda task: provider.status(task, "failed", error={"message": "content policy"})
    told = await cli.run("generate", "--prompt", word, "--json", *QUICK)
    assert (told.code, told.out) == (1, "")
    assert "\nRenderFailed: " in told.err
    assert "content policy" in told.err
    assert "\nWhat to do: Change the prompt" in told.err


@pytest.mark.parametrize(
    ("command", "phrases"),
    [
        (
            "generate --prompt cat --duration 99 --ratio 5:4 --name ../x --priority 9 --output= --task-id=",
            ["6 problems", "duration", "ratio", "name", "priority", "output", "task_id"],
        ),
        ("generate --prompt cat --key a --id b", ["--key or --id"]),
        ("generate --prompt cat --key=", ["--key: must be"]),
        ("generate --request nowhere.yaml", ["nowhere.yaml cannot be read: No such file"]),
        ("resolve x", ["exactly one of"]),
        ("resolve x --adopt task-1 --resubmit", ["exactly one of"]),
        ("resolve x --adopt=", ["--adopt", "task id"]),
        ("resolve x --adopt 'task 1'", ["--adopt", "task id"]),
    ],
)
async def test_bad_input_is_told_in_full_without_any_server(
    nowhere: CommandLine, command: str, phrases: list[str]
) -> None:
    told = await nowhere.run(*shlex.split(command))
    assert (told.code, told.out) == (2, "")
    assert [phrase for phrase in phrases if phrase not in told.err] == []


def one_sentence(told: Told) -> str:
    """The only line of a command that could not do anything for want of Temporal."""
    assert (told.code, told.out) == (4, "")
    (line,) = told.err.splitlines()
    assert line.startswith("error: ")
    return line


async def test_without_a_server_every_command_says_so_in_one_sentence_at_once(nowhere: CommandLine) -> None:
    told = await nowhere.run_all(
        ("generate", "--prompt", "cat"), ("status", "x"), ("resolve", "x", "--resubmit"), ("setup",), seconds=30
    )
    for sentence in map(one_sentence, told):
        assert nowhere.environment["TEMPORAL_ADDRESS"] in sentence
        assert "manxue local" in sentence


async def test_a_host_that_does_not_exist_is_said_in_the_words_of_the_system(nowhere: CommandLine) -> None:
    told = await nowhere.with_(TEMPORAL_ADDRESS="nobody.invalid:7233").run("status", "x")
    assert told.code == 4
    assert "no Temporal server answers at nobody.invalid:7233 (failed to lookup address" in told.err
    assert "ConnectError" not in told.err


async def test_a_server_that_never_answers_is_given_up_in_seconds(nowhere: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        told = await nowhere.with_(TEMPORAL_ADDRESS=address).run("status", "x", seconds=60)
    assert f"{address} does not answer within 8 s" in one_sentence(told)


async def test_a_namespace_that_does_not_exist_is_named(cli: CommandLine) -> None:
    told = await cli.with_(TEMPORAL_NAMESPACE="nonsense").run("status", "x")
    assert "has no namespace 'nonsense'" in one_sentence(told)


async def test_without_a_worker_a_run_starts_and_every_question_is_answered_in_time(
    cli: CommandLine, word: str
) -> None:
    alone = cli.with_(MANXUE_TASK_QUEUE=word)
    begun = await alone.run("generate", "--prompt", word, "--id", word, "--detach")
    assert (begun.code, begun.out) == (0, f"{word}\n")
    async with alone.started("watch", word) as watching, alone.started("watch", word, "--json") as telling:
        told = await alone.run_all(
            ("status", word), ("poll-now", word), ("resolve", word, "--abandon"), ("status", word, "--json"), seconds=45
        )
        await watching.says("no worker: ")
        watching.interrupt()
        line = said("watch-line", json.loads(await telling.puts()))
        assert (line["id"], line["event"]) == (word, "no_worker")
        telling.interrupt()
        told += [await watching.told(seconds=30), await telling.told(seconds=30)]
    assert [one.code for one in told] == [4, 4, 4, 4, 130, 130]
    assert "running" in told[0].out
    known = json.loads(told[3].out)
    assert (known["id"], known["status"], known["phase"]) == (word, "running", "starting")
    assert all(f"no worker is polling task queue {word}" in one.out + one.err for one in told)


async def test_a_decision_that_no_worker_took_is_not_carried_out_when_one_comes(
    cli: CommandLine,
    runs: Runs,
    provider: Provider,
    worker_env: dict[str, str],
    folder: Path,
    word: str,
) -> None:
    env = {**worker_env, "MANXUE_TASK_QUEUE": word}
    provider.on_create[word] = lambda _: bad_gateway()
    with worker_process(folder, env):
        held = await Runs(runs.client, word).start(request=request(word), poll=FAST)
        await until_phase(held, "needs_decision")
    del provider.on_create[word]
    told = await cli.run("resolve", held.id, "--resubmit")
    assert (told.code, f"no worker is polling task queue {word}" in told.err) == (4, True)
    with worker_process(folder, env):
        await until_phase(held, "needs_decision")
        decided = await cli.run("resolve", held.id, "--abandon")
        assert decided.code == 0
        assert (await failure_of(held)).type == FailureType.SUBMISSION_UNKNOWN
    assert len(provider.creates_of(word)) == 1


async def test_several_runs_are_watched_to_their_ends_and_told_in_the_order_asked_for(
    cli: CommandLine, runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_query[f"{word}-b"] = lambda task: provider.status(task, "failed", error={"message": "policy"})
    ids = [(await cli.run("generate", "-d", "--prompt", f"{word}-{one}", *QUICK)).out.strip() for one in "abc"]
    told = await cli.run("watch", *ids)
    collected = await cli.run_all(*(("result", run_id) for run_id in ids))
    assert [told.code, *(one.code for one in collected)] == [1, 0, 1, 0]
    assert told.out == collected[0].out + collected[2].out
    assert f"\n{ids[1]}\nRenderFailed: " in told.err
    assert "1 of 3 runs ended without a video" in told.err


async def test_ctrl_c_ends_the_watching_and_not_the_run(
    cli: CommandLine, runs: Runs, provider: Provider, word: str
) -> None:
    stage = {"status": "processing"}
    provider.on_query[word] = lambda task: provider.status(task, stage["status"])
    async with cli.started("generate", "--id", word, "--prompt", word, *QUICK) as generating:
        await generating.says("rendering: ")
        generating.interrupt()
        told = await generating.told(seconds=30)
    assert (told.code, told.out) == (130, "")
    assert f"the run goes on. Watch it again: manxue watch {word}. Cancel it: manxue cancel {word}" in told.err
    handle = runs.client.get_workflow_handle(word)
    polls = (await until(handle, lambda now: True))["polls"]
    await until(handle, lambda now: now["polls"] > polls)
    stage["status"] = "completed"
    await outcome(handle)


@pytest.mark.usefixtures("runs")
async def test_a_start_whose_answer_is_lost_names_its_id_and_under_that_is_never_a_second_render(
    server: DevServer, cli: CommandLine, provider: Provider, word: str
) -> None:
    async with broken_line(server.address) as line, broken_line(server.address) as other:
        waiting = asyncio.create_task(cli.with_(TEMPORAL_ADDRESS=line).run("generate", "--prompt", word, *QUICK))
        async with cli.with_(TEMPORAL_ADDRESS=other).started("generate", "--prompt", f"{word}-b", *QUICK) as stopped:
            while not provider.creates_of(f"{word}-b"):
                await asyncio.sleep(0.1)
            stopped.interrupt()
            interrupted = await stopped.told()
        lost = await waiting
    for told, code, prompt in ((lost, 4, word), (interrupted, 130, f"{word}-b")):
        assert (told.code, told.out) == (code, "")
        named = re.search(r"it is not known whether (\S+) was started.* with --id \1, which orders nothing", told.err)
        assert named
        again = await cli.run("generate", "--prompt", prompt, *QUICK, "--id", named[1])
        assert again.code == 0
        assert f"{named[1]}" in again.err
    assert [body["prompt"] for body in provider.creates_of(word)].count(word) == 1
    assert len(provider.creates_of(f"{word}-b")) == 1


@pytest.mark.usefixtures("runs")
async def test_a_stream_that_takes_nothing_more_is_not_told_as_a_run_without_a_video(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    generate = f'"$0" generate --key {word} --prompt "{word} ½" -o vidé {" ".join(QUICK)}'
    shell = CommandLine(cli.folder, cli.environment, ("sh", "-c"))
    manxue = cli.program[0]
    full, silent, closed = [
        await shell.run(f"{generate} {streams}", manxue) for streams in (">/dev/full", "-d 2>/dev/full", ">&- 2>&-")
    ]
    ascii_only = await shell.with_(PYTHONIOENCODING="ascii").run(generate, manxue)
    assert (full.code, silent.code, closed.code, ascii_only.code) == (4, 0, 0, 0)
    assert "standard output cannot be written: No space left on device; what was started goes on" in full.err
    assert silent.out == f"generate-{word}\n"
    assert "vid\\xe9" in ascii_only.out
    gone = await shell.run(f'"$0" generate --key {word} --prompt "{word} ½" -o vidé 2>/dev/null | true', manxue)
    assert (gone.code, gone.err) == (0, "")
    assert len(provider.creates_of(word)) == 1


@pytest.mark.usefixtures("runs")
async def test_json_is_json_whatever_stands_in_a_prompt(cli: CommandLine, word: str) -> None:
    prompt = f'{word} "https://a.example/?q=1" and "bearer me"'
    told = await cli.run("generate", "--prompt", prompt, "--id", word, "--tenant", word, *QUICK)
    assert told.code == 0
    while not (listed := json.loads((await cli.run("list", "--tenant", word, "--json")).out)):
        await asyncio.sleep(0.5)
    assert listed[0]["summary"].endswith(f'{word} "https://a.example/?…" and "Bearer …"')


async def test_status_says_why_a_download_does_not_come_to_its_end(
    cli: CommandLine, runs: Runs, word: str, tmp_path: Path
) -> None:
    output = tmp_path / "videos"
    handle = await runs.start(
        {"request": request(word), "output": output.as_uri(), "poll": {"first": 3, "interval": 1}}
    )
    await until_phase(handle, "queued")
    output.rmdir()
    output.touch()  # a file has its place
    await until_phase(handle, "downloading")
    while "trouble" not in (shown := await cli.run("status", handle.id)).out:
        await asyncio.sleep(0.5)
    assert re.search(r"trouble +attempt \d+ failed: .*videos cannot be written", shown.out)
    download = json.loads((await cli.run("status", handle.id, "--json")).out)["download"]
    assert "cannot be written" in download["trouble"]
    output.unlink()
    await outcome(handle)


async def test_a_server_that_is_gone_ends_the_watching_and_not_the_run(tmp_path: Path, word: str) -> None:
    server = DevServer(tmp_path)
    cli = CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})
    async with cli.started("generate", "--id", word, "--prompt", word) as generating:
        await generating.says(f"started {word}")
        server.kill()
        told = await generating.told(seconds=20)
    assert (told.code, told.out) == (4, "")
    assert f"the run goes on. Watch it again: manxue watch {word}\n" in told.err


async def test_a_video_of_which_no_pictures_can_be_drawn_is_delivered_with_a_warning_and_open_tells_it(
    runs: Runs, cli: CommandLine, provider: Provider, word: str
) -> None:
    content = bytearray(mp4(1280, 720, 4))
    start, end = len(content) * 4 // 10, len(content) * 6 // 10
    content[start:end] = bytes(end - start)
    provider.on_query[word] = lambda task: provider.files.update({task.id: bytes(content)})
    handle = await runs.start(request={"model": "sd2_manxue_720p", "prompt": word, "duration": 4})
    result = VideoResult.model_validate(await outcome(handle))
    assert result.preview is None
    (warning,) = result.warnings
    why = "the video was delivered without pictures: none could be drawn: Invalid data found when processing input"
    assert (warning.field, warning.rule, warning.hint) == ("preview", "unavailable", why)
    manifest = json.loads(Path(urlsplit(result.manifest_uri).path).read_text())
    assert (manifest["preview"], manifest["warnings"]) == (None, [warning.model_dump(mode="json")])
    told = await cli.run("open", handle.id, "--poster")
    assert told.code == 3
    assert f"the run has no pictures; {why}" in told.err
