"""The examples for services in other languages, run as their readers run them, against the real server and worker."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.command_line import CommandLine, Told
from tests.support.node import NODE
from tests.support.patience import PATIENCE
from tests.support.processes import BIN, ROOT, DevServer, WorkerProcess
from tests.support.provider import Provider, bad_gateway
from tests.support.typescript import build

_EXAMPLES = ROOT / "examples"
_GO = shutil.which("go")
_WAYS = ["cli", "curl", "python", "typescript", *(["go"] if _GO else [])]
"""Go is a large download: its example is compiled and run where the toolchain is at hand."""

Example = Callable[[str], CommandLine]
"""The program `generate` or `steer` of one language."""


@pytest.fixture(scope="session")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    return build(tmp_path_factory.mktemp("typescript"))


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    assert _GO
    program = tmp_path_factory.mktemp("go") / "manxue"
    for command in ("vet", "."), ("build", "-o", str(program), "."):
        subprocess.run([_GO, *command], cwd=_EXAMPLES / "go" / "http", check=True)
    return program


@pytest.fixture
def program(
    request: pytest.FixtureRequest, tmp_path: Path, server: DevServer, worker: WorkerProcess
) -> Callable[[str, str], CommandLine]:
    """The program `generate` or `steer` of a language, with a worker that does what it asks."""
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])  # where `temporal` is
    environment = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_HTTP": server.http_url, "PATH": path}

    def words(way: str, name: str) -> tuple[str, ...]:
        match way:
            case "python":
                return sys.executable, str(_EXAMPLES / "python" / f"{name}.py")
            case "typescript":
                return str(NODE), str(request.getfixturevalue("typescript") / f"{name}.js")
            case "go":
                return str(request.getfixturevalue("go")), *([name] if name == "generate" else [])
        return "sh", str(_EXAMPLES / way / f"{name}.sh")

    return lambda way, name: CommandLine(tmp_path, environment, words(way, name))


@pytest.fixture(params=_WAYS)
def example(request: pytest.FixtureRequest, program: Callable[[str, str], CommandLine]) -> Example:
    """The programs of each language in turn."""
    return lambda name: program(request.param, name)


async def asked(example: Example, command: str, order: str) -> dict[str, Any]:
    """What `steer` prints."""
    told = await example("steer").run(command, order)
    assert told.code == 0, told.err
    progress: dict[str, Any] = json.loads(told.out)
    return progress


async def until_phase(example: Example, order: str, phase: str) -> dict[str, Any]:
    """Ask until the run is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = await example("steer").run("progress", order)
            if told.code == 0 and (progress := json.loads(told.out))["phase"] == phase:
                return dict(progress)
            await asyncio.sleep(0.2)


def video(told: Told) -> Path:
    """The file whose URI a program printed."""
    assert told.code == 0, told.err
    return Path(urlsplit(told.out.strip()).path)


async def test_an_order_is_one_render_however_often_it_is_started(
    example: Example, provider: Provider, word: str
) -> None:
    rendering = True
    provider.on_query[word] = lambda task: provider.status(task, "processing", progress=40) if rendering else None
    order = f"order-{word}"
    async with example("generate").started(order, word) as first:
        await until_phase(example, order, "rendering")
        async with example("generate").started(order, word) as second:
            polled = await asked(example, "poll-now", order)
            assert (polled["phase"], polled["percent"]) == ("rendering", 40)
            refused = await example("steer").run("resolve", order, "resubmit")
            assert refused.code == 1
            assert "there is nothing to resolve: the run is in the phase rendering" in refused.err
            rendering = False
            files = {video(await first.told()), video(await second.told())}
    files |= {video(await example("generate").run(order, word))}  # when it is completed
    assert [file.stat().st_size > 0 for file in files] == [True]
    assert (await asked(example, "progress", order))["phase"] == "completed"
    assert len(provider.creates_of(word)) == 1


async def test_a_failed_order_says_what_to_mend_and_can_be_started_again(
    example: Example, provider: Provider, word: str
) -> None:
    failed = await example("generate").run(word, f"{word} {{", "99")
    assert (failed.code, failed.out) == (1, "")
    assert "InvalidRequest: " in failed.err
    assert "  duration (range): must be 4 to 15 seconds\n" in failed.err
    assert provider.creates_of(word) == []
    mended = await example("generate").run(word, f'{word} "quoted" \\n')
    assert video(mended).exists()
    (sent,) = provider.creates_of(word)
    assert sent["prompt"] == f'{word} "quoted" \\n'


async def test_a_held_order_is_decided(example: Example, provider: Provider, word: str) -> None:
    provider.on_create[word] = lambda _: bad_gateway()
    async with example("generate").started(word, word) as generating:
        held = await until_phase(example, word, "needs_decision")
        assert held["decision"]["actions"] == ["adopt", "resubmit", "abandon"]
        (task,) = [task for task in provider.tasks.values() if word in task.body["prompt"]]
        resolved = await example("steer").run("resolve", word, "adopt", task.id)
        assert resolved.code == 0, resolved.err
        assert video(await generating.told()).exists()
    assert len(provider.creates_of(word)) == 1


async def test_those_who_wait_outlast_the_server(
    program: Callable[[str, str], CommandLine], provider: Provider, server: DevServer, word: str
) -> None:
    rendering = True
    provider.on_query[word] = lambda task: provider.status(task, "processing") if rendering else None
    async with AsyncExitStack() as stack:
        waiting = [
            await stack.enter_async_context(program(way, "generate").started(f"{way}-{word}", word)) for way in _WAYS
        ]
        async with asyncio.timeout(PATIENCE):
            while sum(task.queries > 0 for task in provider.tasks.values() if word in task.body["prompt"]) < len(_WAYS):
                await asyncio.sleep(0.1)
        server.kill()
        server.start()
        rendering = False
        files = {video(await one.told(seconds=180)) for one in waiting}
    assert len(files) == len(provider.creates_of(word)) == len(_WAYS)
