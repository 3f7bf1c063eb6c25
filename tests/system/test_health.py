"""A worker says whether it lives and whether it takes work, which are two things."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, DevServer, free_port, worker_process
from tests.support.provider import Provider, held_create, reached
from tests.support.runs import FAST, Runs, request
from tests.support.scrape import MeasuredWorker


async def test_without_temporal_it_is_alive_but_not_ready_and_ready_again_by_itself(
    tmp_path: Path, worker_env: dict[str, str]
) -> None:
    server = DevServer(tmp_path)
    worker = MeasuredWorker(tmp_path, worker_env | {"TEMPORAL_ADDRESS": server.address})
    try:
        worker.ready()
        assert (await worker.until_answer("/readyz", 200)).text == "ready\n"
        server.kill()
        assert "Temporal does not answer" in (await worker.until_answer("/readyz", 503)).text
        assert (await worker.ask("/healthz")).status_code == 200
        lost = await worker.metrics()
        assert lost("manxue_worker_ready") == 0
        assert lost("manxue_open_runs_updated_timestamp_seconds") is None
        server.start()
        await worker.until_answer("/readyz", 200)
        assert (await worker.until(lambda now: now("manxue_open_runs") == 0))("manxue_worker_ready") == 1
    finally:
        worker.kill()
        server.kill()


async def test_a_worker_that_stops_is_alive_but_not_ready_while_it_ends_a_create_call(
    runs: Runs, folder: Path, worker_env: dict[str, str], provider: Provider, word: str
) -> None:
    worker = MeasuredWorker(folder, worker_env | {"MANXUE_TASK_QUEUE": word})
    try:
        worker.ready()
        with held_create(provider, word):
            await Runs(runs.client, word).start(request=request(word), poll=FAST)
            await reached(provider, word)
            worker.process.terminate()
            assert "stopping" in (await worker.until_answer("/readyz", 503)).text
            assert (await worker.ask("/healthz")).status_code == 200
        assert worker.process.wait(60) == 0
    finally:
        worker.kill()


@pytest.mark.usefixtures("server")
def test_an_address_that_is_taken_or_none_ends_the_worker_with_a_sentence(
    worker_env: dict[str, str], folder: Path, provider: Provider
) -> None:
    taken = provider.url.removeprefix("http://")
    for address, said in (
        (taken, f"MANXUE_METRICS_ADDRESS: cannot listen at {taken}"),
        ("9464", "MANXUE_METRICS_ADDRESS: must be host:port, such as 0.0.0.0:9464 or [::]:9464, not '9464'"),
        (f"http://127.0.0.1:{free_port()}/", "MANXUE_METRICS_ADDRESS: must be host:port"),
    ):
        env = worker_env | {"MANXUE_METRICS_ADDRESS": address}
        command = [sys.executable, str(ROOT / "worker.py")]
        ended = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_grace_that_is_shorter_than_a_create_call_can_be_is_warned_of_at_the_start(
    worker_env: dict[str, str], folder: Path, word: str
) -> None:
    env = {**worker_env, "MANXUE_TASK_QUEUE": word, "MANXUE_CREATE_TIMEOUT": "90"}  # the grace is 90 s
    with worker_process(folder, env) as worker:
        assert '"MANXUE_SHUTDOWN_GRACE_needed": 112.5' in worker.log.read_text()
    with worker_process(folder, {**env, "MANXUE_SHUTDOWN_GRACE": "113"}) as worker:
        assert "MANXUE_SHUTDOWN_GRACE" not in worker.log.read_text()
