"""What the command line promises about the house: the demo, the local stack, and its parts."""

import asyncio
import hashlib
import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, Told, running_in
from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY, DevServer
from tests.support.provider import Provider, held_create, reached
from tests.support.receiver import Receiver
from workflows.contract import SEARCH_ATTRIBUTES


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The program in an empty directory, with nothing set."""
    return CommandLine(tmp_path, {})


async def demo(folder: Path) -> Told:
    """The demo in a directory of its own."""
    folder.mkdir()
    async with CommandLine(folder, {}).started("demo") as running:
        await running.says("queued: ")
        assert len(running_in(folder)) == 3
        told = await running.told()
    assert running_in(folder) == {}
    return told


async def test_two_demos_side_by_side_make_two_videos_each_and_leave_nothing_running(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder, told in zip(folders, await asyncio.gather(*map(demo, folders)), strict=True):
        assert told.code == 0
        paths = [Path(line) for line in told.out.splitlines()]
        assert [path.parent for path in paths] == [folder / "videos"] * 2
        sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        assert re.findall(r"sha256 (\w{64})\n", told.err) == sums
        assert len(re.findall(r"http://\S+/namespaces/default/workflows/demo-\S+", told.err)) == 2


async def test_a_demo_that_is_interrupted_leaves_nothing_running(cli: CommandLine) -> None:
    async with cli.started("demo") as running:
        await running.says("Web UI: ")
        running.interrupt()
        assert (await running.told()).code == 130
    assert running_in(cli.folder) == {}


async def test_a_local_stack_is_found_from_its_directory_and_ends_as_a_whole(
    cli: CommandLine, provider: Provider, receiver: Receiver, word: str
) -> None:
    """A key and a provider in the environment are not used: the emulator costs nothing."""
    real = cli.with_(MANXUE_API_KEY=API_KEY, MANXUE_BASE_URL=provider.url)
    async with real.started("local", "--speed", "100") as stack:
        await stack.says("Ctrl-C stops everything.")
        notify = ("--notify", f"{receiver.url}/{word}")
        generated, second = await cli.run_all(("generate", "--prompt", word, "--duration", "4", *notify), ("local",))
        assert len(running_in(cli.folder)) == 4  # ourselves, the server, the worker, and what it reads files by
        stack.interrupt()
        ended = await stack.told()
    assert running_in(cli.folder) == {}
    assert generated.code == 0
    assert "using the local stack of this directory" in generated.err
    assert Path(generated.out.strip()).parent == cli.folder / "videos"
    assert second.code == 4
    assert re.fullmatch(r"error: the Temporal database in \.manxue is in use by process \d+ .*\n", second.err)
    assert ended.code == 0
    (told,) = receiver.at(f"/{word}")
    secret = cli.folder / ".manxue" / "webhook-secret"
    assert told.verified(secret.read_text().strip())["type"] == "video.completed"
    assert secret.stat().st_mode & 0o077 == 0
    assert provider.creates_of(word) == []


async def test_a_render_in_flight_goes_on_when_the_stack_is_started_again(cli: CommandLine, word: str) -> None:
    async with cli.started("local", "--speed", "10") as stack:
        await stack.says("Ctrl-C stops everything.")
        begun = await cli.run("generate", "--prompt", word, "--duration", "4", "--detach")
        async with asyncio.timeout(PATIENCE):
            while "task-" not in (await cli.run("status", begun.out.strip())).out:
                await asyncio.sleep(0.2)
        stack.interrupt()
        await stack.told()
    async with cli.started("local", "--speed", "10") as stack:
        await stack.says("Ctrl-C stops everything.")
        watched = await cli.run("watch", begun.out.strip())
        stack.interrupt()
        await stack.told()
    assert watched.code == 0
    assert Path(watched.out.strip()).stat().st_size > 0


async def test_what_was_tried_with_the_emulator_is_never_ordered_from_the_real_provider(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    real = cli.with_(MANXUE_API_KEY=API_KEY, MANXUE_BASE_URL=provider.url, MANXUE_MAX_IN_FLIGHT="1")
    async with real.started("local", "--speed", "1") as stack:
        await stack.says("Ctrl-C stops everything.")
        address = json.loads((cli.folder / ".manxue" / "local.json").read_text())["address"]
        astray = await real.with_(TEMPORAL_ADDRESS=address).run("worker")  # as its usual address would have it
        assert astray.code == 4
        assert f"and would be ordered from {provider.url} here; set TEMPORAL_ADDRESS" in astray.err
        for run_id in (f"{word}-rendering", f"{word}-waiting"):
            await cli.run("generate", "--prompt", word, "--id", run_id, "--detach")
        stack.interrupt()
        await stack.told()
    refused = await real.run("local", "--real")
    assert refused.code == 4
    assert "error: 2 open runs in .manxue were made with the emulator" in refused.err
    async with real.started("local") as stack:
        await stack.says("Ctrl-C stops everything.")
        for run_id in (f"{word}-rendering", f"{word}-waiting"):
            await cli.run("cancel", run_id)
        stack.interrupt()
        await stack.told()
    async with real.started("local", "--real") as stack:
        await stack.says("Ctrl-C stops everything.")
        stack.interrupt()
        assert (await stack.told()).code == 0
    assert provider.creates_of(word) == []


async def test_a_terminal_that_is_closed_leaves_a_create_call_in_flight_its_answer(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    real = cli.with_(MANXUE_API_KEY=API_KEY, MANXUE_BASE_URL=provider.url, MANXUE_ALLOWED_NETWORKS="127.0.0.0/8")
    async with real.started("local", "--real") as stack:
        await stack.says("Ctrl-C stops everything.")
        with held_create(provider, word):
            await cli.run("generate", "--prompt", word, "--duration", "4", "--id", word, "--detach")
            await reached(provider, word)
            stack.interrupt(signal.SIGHUP)
            await asyncio.sleep(1)
        await stack.told()
    async with real.started("local", "--real") as stack:
        await stack.says("Ctrl-C stops everything.")
        assert json.loads((await cli.run("status", word, "--json")).out)["task_id"].startswith("task-")
        stack.interrupt()
        await stack.told()
    assert len(provider.creates_of(word)) == 1


async def test_a_stack_that_is_killed_takes_everything_with_it(cli: CommandLine) -> None:
    async with cli.started("local") as stack:
        await stack.says("worker.started")
    async with asyncio.timeout(PATIENCE):
        while running_in(cli.folder):
            await asyncio.sleep(0.05)


async def test_a_stack_that_loses_a_part_says_which_and_ends(cli: CommandLine) -> None:
    async with cli.started("local") as stack:
        await stack.says("worker.started")
        (pid,) = [pid for pid, command in running_in(cli.folder).items() if "-m worker" in command]
        os.kill(pid, signal.SIGKILL)
        told = await stack.told()
    assert told.code == 4
    assert "error: the worker has ended by itself" in told.err
    assert running_in(cli.folder) == {}


async def test_setup_tells_what_is_registered(server: DevServer, cli: CommandLine) -> None:
    there = cli.with_(TEMPORAL_ADDRESS=server.address)
    for told in (await there.run("setup"), await there.run("setup")):
        assert told.code == 0
        assert all(name in told.err for name in SEARCH_ATTRIBUTES)
    assert f"registered before in the namespace default: {', '.join(SEARCH_ATTRIBUTES)}" in told.err


async def test_what_cannot_listen_or_write_or_start_says_so_in_one_sentence(
    provider: Provider, cli: CommandLine
) -> None:
    (cli.folder / "file").touch()
    taken = str(provider.port)
    emulator, local, state, worker = await cli.run_all(
        ("emulator", "--port", taken),
        ("local", "--port", taken, "--http-port", taken, "--ui-port", taken, "--state", "here"),
        ("local", "--state", "file"),
        ("worker",),
    )
    assert [told.code for told in (emulator, local, state, worker)] == [4, 4, 4, 2]
    assert emulator.err.startswith(f"the emulator cannot listen at 127.0.0.1:{taken}: ")
    assert local.err.startswith("error: the Temporal server did not start: ")
    assert state.err.startswith("error: the state directory file cannot be written: ")
    assert worker.err.startswith("manxue worker: MANXUE_API_KEY is not set")
    assert [len(told.err.splitlines()) for told in (emulator, local, state, worker)] == [1] * 4
    assert running_in(cli.folder) == {}


async def test_a_worker_whose_output_is_no_place_names_the_setting(server: DevServer, cli: CommandLine) -> None:
    env = {"TEMPORAL_ADDRESS": server.address, "MANXUE_API_KEY": API_KEY}
    told = await cli.with_(**env, MANXUE_OUTPUT="ftp://videos/").run("worker")
    assert told.code == 2
    assert told.err.startswith("manxue worker: MANXUE_OUTPUT: must be file:///dir/, s3://bucket/prefix/")


async def test_a_port_that_is_none_is_refused(cli: CommandLine) -> None:
    told = await cli.run_all(("emulator", "--port", "99999"), ("local", "--port", "0"), ("local", "--ui-port", "65536"))
    assert [(one.code, one.out) for one in told] == [(2, "")] * 3


async def test_a_worker_ends_well_by_ctrl_c_and_never_shows_its_key(
    server: DevServer, provider: Provider, cli: CommandLine, word: str
) -> None:
    env = {"TEMPORAL_ADDRESS": server.address, "MANXUE_API_KEY": API_KEY, "MANXUE_BASE_URL": provider.url}
    async with cli.with_(**env, MANXUE_TASK_QUEUE=word).started("worker") as worker:
        await worker.says("worker.started")
        worker.interrupt()
        told = await worker.told()
    assert told.code == 0
    assert "worker.stopped" in told.err
