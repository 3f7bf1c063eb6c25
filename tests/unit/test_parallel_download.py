"""Downloads that several connections share, from a real server that is slow on each and goes wrong on some."""

import asyncio
import hashlib
import ipaddress
import random
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import media.ahead
from media.download import URLExpired, download
from media.fetch import SPARE, Fetcher
from media.guard import AddressGuard, FetchFailed
from media.partial_file import PartialFile
from tests.support.file_server import FileServer
from tests.support.processes import ROOT, spawn

KIB = 1024
SIZE = 6 * 1024 * KIB + 17
V1, V2 = (random.Random(seed).randbytes(SIZE) for seed in (11, 12))
HEADERS = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
SETTINGS = {"LEAST": 256 * KIB, "_MOST": 512 * KIB, "_WATCHED_SECONDS": 0.05, "LONG_SECONDS": 0.3}
"""Of `media.ahead`, so that a small file is large enough."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setattr(media.ahead, name, value)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        server.content, server.headers, server.rate = V1, dict(HEADERS), 4 * 1024 * KIB
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".video.part"


async def attempt(server: FileServer, path: Path, url: str | None = None) -> str:
    part = PartialFile(path).open()
    try:
        async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
            try:
                await download(fetcher, url or server.url, part)
            finally:
                assert fetcher.spare == SPARE
        return part.sync()
    finally:
        part.close()
        assert {file.name for file in path.parent.iterdir()} <= {path.name, f"{path.name}.json", "log"}


async def complete(server: FileServer, path: Path, content: bytes, url: str | None = None) -> None:
    assert await attempt(server, path, url) == hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content


async def left(server: FileServer) -> None:
    async with asyncio.timeout(10):
        while server.open:
            await asyncio.sleep(0.01)


def ranges(server: FileServer) -> list[tuple[int, int]]:
    """The blocks that helpers asked for, in order."""
    asked = (one.get("range", "").removeprefix("bytes=").split("-") for one in server.asked)
    return sorted((int(pair[0]), int(pair[1])) for pair in asked if len(pair) == 2 and pair[1])


def begins(server: FileServer, seen: int) -> int:
    """Where the first connection began that asked for all the rest, of requests after those that were seen."""
    asked = (one.get("range", "bytes=0-").removeprefix("bytes=").split("-") for one in server.asked[seen:])
    return next(int(start) for start, end in asked if not end)


async def test_a_slow_connection_is_helped_by_four_and_every_byte_is_asked_for_once(
    server: FileServer, path: Path
) -> None:
    await complete(server, path, V1)
    blocks = ranges(server)
    assert server.most_open >= 5
    assert len(server.asked) <= 1 + SIZE // SETTINGS["LEAST"]
    assert all(end + 1 == start for (_, end), (start, _) in pairwise(blocks))
    assert blocks[-1][1] == SIZE - 1
    assert {one["if-range"] for one in server.asked if "if-range" in one} == {'"v1"'}


async def test_a_fast_connection_is_left_alone(server: FileServer, path: Path) -> None:
    server.rate = None
    await complete(server, path, V1)
    assert len(server.asked) == 1


@pytest.mark.parametrize("slow", [{0}, {1}, {3}, {0, 2, 4}], ids=str)
async def test_a_connection_that_only_trickles_is_relieved_by_one_that_is_idle(
    server: FileServer, path: Path, slow: set[int]
) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        server.rate = 20 * KIB if number in slow else 4 * 1024 * KIB

    server.meddle = meddle
    async with asyncio.timeout(6):  # of a block's 256 KiB it would bring the half by then
        await complete(server, path, V1)
    assert len(server.asked) <= 1 + SIZE // SETTINGS["LEAST"] + len(slow)


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"v1"'},
        {"ETag": '"v1"', "Accept-Ranges": "none"},
        {"ETag": 'W/"v1"', "Accept-Ranges": "bytes"},
        {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT", "Accept-Ranges": "bytes"},
        {"Accept-Ranges": "bytes"},
    ],
    ids=["no ranges told", "none", "weak", "date", "nothing"],
)
async def test_without_ranges_and_a_strong_validator_there_is_no_help(
    server: FileServer, path: Path, headers: dict[str, str]
) -> None:
    server.headers = headers
    await complete(server, path, V1)
    assert len(server.asked) == 1


def fails(status: int) -> Callable[[FileServer], None]:
    def spoil(server: FileServer) -> None:
        server.status = status

    return spoil


def drops(byte: int) -> Callable[[FileServer], None]:
    def spoil(server: FileServer) -> None:
        server.cuts = [byte]

    return spoil


def lies(line: str, body: bytes = bytes(SIZE)) -> Callable[[FileServer], None]:
    def spoil(server: FileServer) -> None:
        server.raw = f"HTTP/1.1 206 X\r\n{line}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    return spoil


def ignores_ranges(server: FileServer) -> None:
    server.knows_range = False


def compresses(server: FileServer) -> None:
    server.headers["Content-Encoding"] = "gzip"


@pytest.mark.parametrize("helper", [1, 2, 7])
@pytest.mark.parametrize(
    "spoil",
    [
        *map(fails, (403, 404, 416, 429, 500, 503)),
        *map(drops, (0, 1, 100_000)),
        lies(f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}"),
        lies("X: no Content-Range"),
        ignores_ranges,
        compresses,
    ],
    ids=["403", "404", "416", "429", "500", "503", "drop 0", "drop 1", "drop", "range", "none", "ignores", "gzip"],
)
async def test_a_helper_that_fails_costs_nothing_but_time(
    server: FileServer, path: Path, spoil: Callable[[FileServer], None], helper: int
) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        server.status, server.cuts, server.raw, server.knows_range, server.headers = None, [], None, True, dict(HEADERS)
        if number == helper:
            spoil(server)

    server.meddle = meddle
    await complete(server, path, V1)
    assert len(server.asked) > helper


async def test_a_server_that_takes_only_one_connection_serves_the_file_over_one(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.ahead, "LEAST", 2 * 1024 * KIB)
    monkeypatch.setattr(media.ahead, "_MOST", 2 * 1024 * KIB)

    def meddle(number: int, asked: dict[str, str]) -> None:
        server.status = 503 if server.open > 1 else None

    server.meddle = meddle
    await complete(server, path, V1)
    await left(server)
    assert server.served.count(SIZE) == 1


@pytest.mark.parametrize("knows_if_range", [True, False])
async def test_content_that_changes_meanwhile_is_never_mixed(
    server: FileServer, path: Path, knows_if_range: bool
) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        if number == 4:
            server.headers, server.content = {**HEADERS, "ETag": '"v2"'}, V2

    server.knows_if_range, server.meddle = knows_if_range, meddle
    if not knows_if_range:
        with pytest.raises(FetchFailed, match="other content"):
            await attempt(server, path)
    await complete(server, path, V2)


async def test_blocks_without_the_etag_of_the_whole_are_not_taken(server: FileServer, path: Path) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        server.content, server.headers = (V2, {}) if "range" in asked else (V1, dict(HEADERS))

    server.knows_if_range, server.meddle = False, meddle
    await complete(server, path, V1)
    assert len(server.asked) > 1


async def test_a_url_that_expires_meanwhile_is_replaced_and_gone_on_with(server: FileServer, path: Path) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        server.status = 403 if number >= 7 and "fresh" not in server.asked[-1]["path"] else None

    server.meddle = meddle
    with pytest.raises(URLExpired):
        await attempt(server, path)
    kept = path.read_bytes()
    assert len(kept) > SETTINGS["LEAST"]
    assert V1.startswith(kept)
    seen = len(server.asked)
    await complete(server, path, V1, url=f"{server.url}?signature=fresh")
    assert begins(server, seen) == len(kept)


async def test_a_drop_of_the_first_connection_leaves_a_true_beginning(server: FileServer, path: Path) -> None:
    server.cuts = [500_000]
    with pytest.raises(FetchFailed):
        await attempt(server, path)
    assert path.read_bytes() == V1[:500_000]
    await left(server)
    await complete(server, path, V1)


@pytest.mark.parametrize("requests", [2, 8, 12])
async def test_a_cancelled_download_leaves_a_true_beginning_and_no_connection(
    server: FileServer, path: Path, requests: int
) -> None:
    running = asyncio.create_task(attempt(server, path))
    while len(server.asked) < requests:
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    kept = path.read_bytes()
    assert V1.startswith(kept)
    await left(server)
    seen = len(server.asked)
    await complete(server, path, V1)
    assert begins(server, seen) == len(kept)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_file_is_one_version_as_a_whole(server: FileServer, path: Path, seed: int) -> None:
    chance = random.Random(seed)
    version = 0

    def meddle(number: int, asked: dict[str, str]) -> None:
        nonlocal version
        if chance.random() < 0.03:
            version += 1
        server.content = (V1, V2)[version % 2][: SIZE - version % 3]
        server.headers = {**HEADERS, "ETag": f'"v{version}"'}
        server.knows_range = chance.random() < 0.95
        server.status = chance.choice([None] * 60 + [403, 500, 416])
        server.cuts = [chance.randrange(SIZE // 8)] if chance.random() < 0.04 else []

    server.meddle, server.rate = meddle, 8 * 1024 * KIB
    for _ in range(40):
        try:
            sha256 = await attempt(server, path)
        except (FetchFailed, URLExpired):
            continue
        content = path.read_bytes()
        assert content in {v[: SIZE - cut] for v in (V1, V2) for cut in range(3)}
        assert sha256 == hashlib.sha256(content).hexdigest()
        return
    pytest.fail("40 attempts were not enough")


PROGRAM = f"""
import asyncio, ipaddress, sys
from itertools import pairwise
from pathlib import Path
import media.ahead
from media.download import download
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.partial_file import PartialFile

for name, value in {SETTINGS}.items():
    setattr(media.ahead, name, value)

async def main(url, path):
    part = PartialFile(Path(path)).open()
    async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
        await download(fetcher, url, part)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("requests", [4, 9, 13])
async def test_after_a_crash_it_goes_on_where_the_beginning_ends(server: FileServer, path: Path, requests: int) -> None:
    process: Any = spawn([sys.executable, "-c", PROGRAM, server.url, str(path)], path.with_name("log"), cwd=ROOT)
    async with asyncio.timeout(30):
        while len(server.asked) < requests:
            await asyncio.sleep(0.005)
    process.kill()
    process.wait()
    kept = path.read_bytes()
    assert V1.startswith(kept)
    seen = len(server.asked)
    await complete(server, path, V1)
    assert begins(server, seen) == len(kept)
