"""One real server, one scripted provider and one worker process for all system tests of a pytest process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.support.media_server import MediaServer
from tests.support.object_store import ObjectStore
from tests.support.processes import API_KEY, DevServer, WorkerProcess, worker_process
from tests.support.provider import Provider
from tests.support.receiver import OLD_SECRET, SECRET
from tests.support.runs import Runs
from tests.support.secrets import leaks


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where server, workers and videos of this pytest process live."""
    return tmp_path_factory.mktemp("system")


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[DevServer]:
    """The real Temporal server."""
    server = DevServer(folder)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def worker_env(server: DevServer, provider: Provider, folder: Path) -> dict[str, str]:
    """The environment of a worker."""
    return {
        "TEMPORAL_ADDRESS": server.address,
        "MANXUE_API_KEY": API_KEY,
        "MANXUE_BASE_URL": provider.url,
        "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "MANXUE_WEBHOOK_SECRETS": f"{SECRET},{OLD_SECRET}",
        "MANXUE_OUTPUT": str(folder / "videos"),
        "MANXUE_TASK_QUEUE": "manxue",
        "MANXUE_LOG_FORMAT": "json",
    }


@pytest.fixture(scope="session")
def worker(folder: Path, worker_env: dict[str, str]) -> Iterator[WorkerProcess]:
    """A worker that all tests share."""
    with worker_process(folder, worker_env) as worker:
        yield worker


@pytest.fixture(scope="session", autouse=True)
def secrets_stay_out(server: DevServer, folder: Path) -> Iterator[None]:
    """After all tests: no secret in any event of any history, in any log line, or in any manifest."""
    yield
    assert asyncio.run(leaks(server.address, folder)) == []


@pytest.fixture
async def client(server: DevServer) -> Client:
    """A client of the real server."""
    return await Client.connect(server.address, data_converter=pydantic_data_converter)


@pytest.fixture
def runs(client: Client, worker: WorkerProcess) -> Runs:
    """Starts runs on the shared worker."""
    return Runs(client, "manxue")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[ObjectStore]:
    """An S3-compatible server."""
    store = ObjectStore(folder)
    yield store
    store.kill()


@pytest.fixture
def states(provider: Provider) -> Iterator[dict[str, str]]:
    """Word in an asset id -> its state; others are active at once."""
    states: dict[str, str] = {}

    def state(asset_id: str) -> str:
        return next((state for word, state in states.items() if word in asset_id), "Active")

    provider.asset_states = state
    yield states
    provider.asset_states = lambda asset_id: "Active"


@pytest.fixture(scope="module")
def files() -> Iterator[MediaServer]:
    """A server of media."""
    server = MediaServer().start()
    yield server
    server.stop()
