"""Killed at any point, the run goes on: nothing is bought twice, and nothing that was bought is lost."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.support.dying_worker import POINTS, SLOW
from tests.support.patience import PATIENCE
from tests.support.processes import BIN, DevServer, WorkerProcess, worker_process
from tests.support.provider import Provider, bad_gateway, held_create, reached
from tests.support.runs import FAST, Runs, outcome, path_of, request, until, until_phase
from tests.support.video import mp4

MIB = 1024 * 1024
StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(folder: Path, worker_env: dict[str, str], word: str) -> Iterator[StartWorker]:
    """Starts workers on a task queue of the test's own."""
    started: list[WorkerProcess] = []

    def start(queue: str = word, dies: str | None = None, **env: str) -> WorkerProcess:
        worker = WorkerProcess(folder, {**worker_env, "MANXUE_TASK_QUEUE": queue, **env}, dies)
        started.append(worker)
        return worker.ready()

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def own_runs(client: Client, word: str) -> Runs:
    """Runs on that queue."""
    return Runs(client, word)


async def test_killed_at_each_point_around_the_create_call_a_worker_costs_a_question_at_most(
    client: Client, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    async def row(number: int, point: str) -> tuple[bool, int]:
        queue = f"{word}-{number}"
        dying = await asyncio.to_thread(start_worker, queue, point)
        handle = await Runs(client, queue).start(request=request(f"{queue} x"), poll=FAST)
        await asyncio.to_thread(dying.process.wait, 30)
        await asyncio.to_thread(start_worker, queue)
        now = await until(handle, lambda now: now["phase"] in ("needs_decision", "completed"))
        held = now["phase"] == "needs_decision"
        if held:
            accepted = [task.id for task in provider.tasks.values() if f"{queue} x" in task.body["prompt"]]
            action = {"action": "adopt", "task_id": accepted[0]} if accepted else {"action": "resubmit"}
            await handle.execute_update("resolve_submission", action)
        await outcome(handle)
        return held, len(provider.creates_of(f"{queue} x"))

    found = dict(zip(POINTS, await asyncio.gather(*(row(n, point) for n, point in enumerate(POINTS))), strict=True))
    assert found == {
        "before sending is recorded": (False, 1),  # known not to be sent: submitted again, no question asked
        "after sending is recorded": (True, 1),  # nobody knows; the account shows no task: resubmitted by decision
        "after the answer": (True, 1),  # nobody knows; the account shows the task: adopted by decision
        "after accepted is recorded": (False, 1),  # the record names the task: adopted
        "after the completion": (False, 1),  # the server has it all
    }


async def test_a_worker_killed_while_the_provider_works_on_its_answer_leaves_a_question(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    with held_create(provider, word):
        first = start_worker()
        handle = await own_runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        first.kill()
    start_worker()
    await until_phase(handle, "needs_decision")
    await handle.execute_update("resolve_submission", {"action": "adopt", "task_id": list(provider.tasks)[-1]})
    await outcome(handle)
    assert len(provider.creates_of(word)) == 1


async def test_one_of_two_workers_stopped_during_the_create_call_finishes_it(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    with held_create(provider, word) as answer:
        first = start_worker()
        handle = await own_runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        start_worker()
        first.process.terminate()
        await asyncio.sleep(0.5)
        answer.set()
        assert await asyncio.to_thread(first.process.wait, 30) == 0
    await outcome(handle)
    assert len(provider.creates_of(word)) == 1


async def test_a_run_that_is_cancelled_before_its_create_call_is_sent_buys_nothing(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    start_worker(dies=SLOW)
    handle = await own_runs.start(request=request(word), poll=FAST)
    async with asyncio.timeout(PATIENCE):
        while "submit" not in [
            a.activity_type.name for a in (await handle.describe()).raw_description.pending_activities
        ]:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    await handle.cancel()
    assert "Nothing was bought" in (await until_phase(handle, "canceled"))["message"]
    assert not provider.creates_of(word)


async def test_a_cancellation_that_arrives_together_with_the_answer_does_not_lose_it(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    """A rolling deploy: the old worker finishes the call; the new one learns of outcome and cancellation at once."""
    with held_create(provider, word) as answer:
        first = start_worker()
        handle = await own_runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        first.process.terminate()
        await asyncio.sleep(0.5)
        await handle.cancel()
        answer.set()
        assert await asyncio.to_thread(first.process.wait, 30) == 0
    start_worker()
    told = await until_phase(handle, "canceled")
    assert list(provider.tasks)[-1] in told["message"]


async def test_a_resubmission_that_was_interrupted_is_not_repeated_unasked(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str, server: DevServer
) -> None:
    first_answer = [bad_gateway]
    provider.on_create[word] = lambda body: first_answer.pop()() if first_answer else None
    first = start_worker()
    handle = await own_runs.start(request=request(word), poll=FAST)
    await until_phase(handle, "needs_decision")
    with held_create(provider, word):
        await handle.execute_update("resolve_submission", {"action": "resubmit"})
        async with asyncio.timeout(PATIENCE):
            while len(provider.creates_of(word)) < 2:
                await asyncio.sleep(0.05)
        (pending,) = (await handle.describe()).raw_description.pending_activities
        command = ["activity", "update-options", "-w", handle.id, "--activity-id", pending.activity_id]
        command += ["--retry-maximum-attempts", "5", "--address", server.address]
        process = await asyncio.create_subprocess_exec(BIN / "temporal", *command)
        assert await process.wait() == 0
        first.kill()
    start_worker()
    await until_phase(handle, "needs_decision")
    assert len(provider.creates_of(word)) == 2
    await handle.cancel()


async def test_a_worker_whose_grace_is_over_before_the_answer_leaves_a_question_at_once(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    with held_create(provider, word):
        first = start_worker(MANXUE_SHUTDOWN_GRACE="1")
        handle = await own_runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        start_worker()
        first.process.terminate()
        held = await until_phase(handle, "needs_decision", 20)
    assert "stopped" in held["decision"]["why"]
    assert len(provider.creates_of(word)) == 1
    await handle.cancel()


async def test_an_activity_reset_during_the_create_call_asks_instead_of_buying_again(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str, server: DevServer
) -> None:
    with held_create(provider, word):
        first = start_worker()
        handle = await own_runs.start(request=request(word), poll=FAST)
        await reached(provider, word)
        (pending,) = (await handle.describe()).raw_description.pending_activities
        command = ["activity", "reset", "--workflow-id", handle.id, "--activity-id", pending.activity_id]
        process = await asyncio.create_subprocess_exec(BIN / "temporal", *command, "--address", server.address)
        assert await process.wait() == 0
        first.kill()
    start_worker()
    await until_phase(handle, "needs_decision")
    assert len(provider.creates_of(word)) == 1
    await handle.cancel()


async def test_the_temporal_server_killed_during_the_create_call_learns_of_its_answer_later(
    tmp_path: Path, worker_env: dict[str, str], provider: Provider, word: str
) -> None:
    own = DevServer(tmp_path)
    with worker_process(tmp_path, {**worker_env, "TEMPORAL_ADDRESS": own.address}):
        with held_create(provider, word) as answer:
            handle = await Runs(await Client.connect(own.address), "manxue").start(request=request(word), poll=FAST)
            await reached(provider, word)
            await asyncio.sleep(43)  # so long without an answer: its heartbeat must not have grown old
            own.kill()
            answer.set()
            await asyncio.sleep(24)  # the SDK gives up after 10 s of trying
        own.start()
        assert (await outcome(handle))["task_id"]
    own.kill()
    assert len(provider.creates_of(word)) == 1


async def test_server_and_worker_killed_and_absent_while_the_provider_renders_change_nothing(
    tmp_path: Path, worker_env: dict[str, str], provider: Provider, word: str
) -> None:
    own = DevServer(tmp_path)
    env = {**worker_env, "TEMPORAL_ADDRESS": own.address}
    with worker_process(tmp_path, env) as first:
        provider.on_query[word] = lambda task: provider.status(task, "processing")
        handle = await Runs(await Client.connect(own.address), "manxue").start(request=request(word), poll=FAST)
        await until_phase(handle, "rendering")
        own.kill()
        first.kill()
        own.start()
        await asyncio.sleep(3)
        del provider.on_query[word]
    with worker_process(tmp_path, env):
        result = await outcome(handle)
    own.kill()
    assert path_of(result).read_bytes() == mp4(1280, 720, 4)
    assert len(provider.creates_of(word)) == 1


async def test_no_update_is_lost_where_the_run_continues_as_new(runs: Runs, provider: Provider, word: str) -> None:
    """Each is answered with the progress, which goes on counting over the runs of the chain."""
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll={"first": 1, "interval": 600, "max_interval": 600})
    await until_phase(handle, "rendering")
    first = (await handle.describe()).run_id

    async def asker(count: int) -> list[int]:
        told = [await handle.execute_update("poll_now") for _ in range(count)]
        assert {(now["phase"], now["provider_status"], now["decision"]) for now in told} == {
            ("rendering", "processing", None)
        }
        assert len({now["task_id"] for now in told} | {now["since"] for now in told}) == 2
        return [now["polls"] for now in told]

    answers: list[list[int]] = await asyncio.gather(*(asker(100) for _ in range(3)))
    for polls in answers:
        assert polls == sorted(set(polls))
    assert (await handle.describe()).run_id != first
    del provider.on_query[word]
    await handle.execute_update("poll_now")
    assert (await outcome(handle))["task_id"] in provider.tasks


def padding(size: int) -> bytes:
    """A box that players skip."""
    return size.to_bytes(4, "big") + b"free" + bytes(size - 8)


async def test_a_download_goes_on_at_the_byte_where_a_killed_worker_stopped(
    own_runs: Runs, start_worker: StartWorker, provider: Provider, word: str
) -> None:
    content = mp4(1280, 720, 4) + padding(6 * MIB)
    provider.on_create[word] = lambda body: provider.files.update({list(provider.tasks)[-1]: content})
    provider.hold_file[word] = 4 * MIB
    first = start_worker()
    handle = await own_runs.start(request=request(word), poll=FAST, name=word)
    await until_phase(handle, "downloading")
    async with asyncio.timeout(PATIENCE):
        while list(provider.tasks)[-1] not in provider.ranges:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)  # the worker writes what has come
    first.kill()
    del provider.hold_file[word]
    start_worker()
    result = await outcome(handle)
    assert path_of(result).read_bytes() == content
    first_range, second_range = provider.ranges[result["task_id"]]
    assert first_range is None
    assert 3 * MIB <= int(str(second_range).removeprefix("bytes=").removesuffix("-")) <= 4 * MIB


@pytest.mark.parametrize("taken", ["file", "directory", "link to nowhere"])
async def test_what_lies_under_the_final_name_is_never_overwritten(
    runs: Runs, provider: Provider, word: str, tmp_path: Path, taken: str
) -> None:
    name = tmp_path / f"{word}.mp4"
    match taken:
        case "file":
            name.write_bytes(b"somebody's own file")
        case "directory":
            name.mkdir()
        case _:
            name.symlink_to("/nonexistent/place")
    before = (name.lstat().st_ino, name.lstat().st_mtime_ns)
    given: dict[str, Any] = {"request": request(word), "poll": FAST, "name": word, "output": tmp_path.as_uri()}
    result = await runs.result(given)
    assert (name.lstat().st_ino, name.lstat().st_mtime_ns) == before
    assert path_of(result).name == f"{word}-{result['task_id']}.mp4"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


async def test_a_file_under_the_manifests_name_is_kept(
    runs: Runs, provider: Provider, word: str, tmp_path: Path
) -> None:
    (tmp_path / f"{word}.mp4.json").write_text("somebody's own")
    given: dict[str, Any] = {"request": request(word), "poll": FAST, "name": word, "output": tmp_path.as_uri()}
    result = await runs.result(given)
    assert (tmp_path / f"{word}.mp4.json").read_text() == "somebody's own"
    assert path_of(result).name == f"{word}.mp4"
    assert result["task_id"] in (tmp_path / result["manifest_uri"].rpartition("/")[2]).read_text()


async def test_an_output_that_goes_away_after_the_purchase_costs_nothing(
    runs: Runs, provider: Provider, word: str, tmp_path: Path
) -> None:
    output, away = tmp_path / "out", tmp_path / "away"
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(word), poll=FAST, output=output.as_uri())
    await until_phase(handle, "rendering")
    output.rename(away)
    output.write_text("a file where the directory was")
    del provider.on_query[word]
    await until_phase(handle, "downloading")
    await asyncio.sleep(3)
    output.unlink()
    away.rename(output)
    assert path_of(await outcome(handle)).parent == output
    assert len(provider.creates_of(word)) == 1
