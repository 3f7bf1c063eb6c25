"""Resumed downloads from a real server that drops, lies and changes its mind: whole and unmixed, or not at all."""

import asyncio
import fcntl
import hashlib
import ipaddress
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

import media.download
import media.partial_file
import media.receiving
from media.download import URLExpired, download
from media.fetch import Fetcher
from media.guard import AddressGuard, FetchFailed
from media.partial_file import PartialFile, PartialFileBusy, Version
from media.storage import BLOCK
from tests.support.file_server import SIZE, V1, V2, FileServer
from tests.support.processes import ROOT, spawn

MODIFIED = "Mon, 05 Jan 2026 10:00:00 GMT"


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".video.part"


@pytest.fixture
def notes(path: Path) -> Path:
    return path.with_name(path.name + ".json")


@pytest.fixture(autouse=True)
def nothing_stays_open(path: Path) -> Iterator[None]:
    yield
    if path.exists():
        PartialFile(path).open().close()


async def attempt(server: FileServer, path: Path, url: str | None = None) -> str:
    """What an activity attempt does: open, download, sync, close. The sha256."""
    part = PartialFile(path).open()
    try:
        async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
            await download(fetcher, url or server.url, part)
        return part.sync()
    finally:
        part.close()


async def drop(server: FileServer, path: Path, byte: int) -> None:
    """An attempt that loses its connection after so many bytes."""
    server.cuts = [byte]
    with pytest.raises(FetchFailed):
        await attempt(server, path)
    assert path.read_bytes() == server.content[:byte]


async def complete(server: FileServer, path: Path, content: bytes, url: str | None = None) -> None:
    """An attempt that succeeds, with this content."""
    assert await attempt(server, path, url) == hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
async def test_the_hash_is_of_the_right_bytes_when_it_lags_far_behind(
    server: FileServer, path: Path, cut: bool
) -> None:
    class Slow:
        """Takes its time for each block."""

        def __init__(self) -> None:
            self.digest = hashlib.sha256()

        def update(self, block: memoryview) -> None:
            time.sleep(0.01)
            self.digest.update(block)

        def hexdigest(self) -> str:
            return self.digest.hexdigest()

    server.content = random.Random(7).randbytes(40 * BLOCK + 7)
    if cut:
        server.cuts = [20 * BLOCK + 1]
    part = PartialFile(path).open()
    part.restart(Version(None, None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media.partial_file, "hashlib", SimpleNamespace(sha256=Slow))
        async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
            if cut:
                with pytest.raises(FetchFailed):
                    await download(fetcher, server.url, part)
            await download(fetcher, server.url, part)
    assert part.sync() == hashlib.sha256(server.content).hexdigest()
    part.close()


def test_files_that_are_hashed_at_once_share_what_may_wait_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media.partial_file, "_open", WeakSet())
    go_on = threading.Event()

    class Held:
        def update(self, block: memoryview) -> None:
            go_on.wait(30)

    block, parts = bytes(BLOCK), [PartialFile(path.with_name(name)).open() for name in "abcd"]
    for part in parts:
        part._digest = Held()  # type: ignore[assignment]
    assert [parts[0].append(block) for _ in range(4)] == [1, 2, 3, 4]
    fifth = threading.Thread(target=parts[0].append, args=[block])
    fifth.start()
    fifth.join(0.2)
    assert fifth.is_alive()
    go_on.set()
    fifth.join(30)
    for part in parts:
        part.discard()


def resumed_at(server: FileServer) -> str | None:
    return server.asked[-1].get("range")


@pytest.mark.parametrize("chunked", [False, True], ids=["Content-Length", "chunked"])
@pytest.mark.parametrize("byte", [1, 70_000, BLOCK - 1, BLOCK, BLOCK + 1, SIZE - 1])
async def test_after_a_drop_the_download_goes_on_at_the_very_byte(
    server: FileServer, path: Path, byte: int, chunked: bool
) -> None:
    server.chunked = chunked
    await drop(server, path, byte)
    await complete(server, path, V1)
    assert (resumed_at(server), server.asked[-1]["if-range"]) == (f"bytes={byte}-", '"v1"')
    assert server.served == [byte, SIZE - byte]


async def test_every_drop_is_followed_by_the_next_byte(server: FileServer, path: Path) -> None:
    server.cuts = [400_000] * 6
    for _ in range(6):
        with pytest.raises(FetchFailed):
            await attempt(server, path)
    await complete(server, path, V1)
    assert sum(server.served) == SIZE


async def test_a_drop_before_the_first_byte_leaves_nothing_to_resume(server: FileServer, path: Path) -> None:
    await drop(server, path, 0)
    await complete(server, path, V1)
    assert resumed_at(server) is None


async def test_what_is_complete_is_not_asked_for_again(server: FileServer, path: Path) -> None:
    for _ in range(2):
        await complete(server, path, V1)
    assert len(server.asked) == 1


async def test_a_server_that_ignores_ranges_makes_it_start_over(server: FileServer, path: Path) -> None:
    server.knows_range = False
    await drop(server, path, BLOCK)
    await complete(server, path, V1)
    assert server.served == [BLOCK, SIZE]


# Which content it is


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"v1"'}, '"v1"'),
        ({"ETag": '"v1"', "Last-Modified": MODIFIED}, '"v1"'),
        ({"ETag": 'W/"v1"', "Last-Modified": MODIFIED}, MODIFIED),
        ({"Last-Modified": MODIFIED}, MODIFIED),
        ({"ETag": "v1", "Last-Modified": MODIFIED}, MODIFIED),
        ({"ETag": '"\xfc"', "Last-Modified": MODIFIED}, MODIFIED),
        ({"ETag": 'W/"v1"'}, None),
        ({"ETag": "v1"}, None),
        ({"ETag": '"\xfc"'}, None),
        ({"Last-Modified": "\xfc"}, None),
        ({}, None),
    ],
)
async def test_only_a_strong_validator_resumes(
    server: FileServer, path: Path, headers: dict[str, str], validator: str | None
) -> None:
    server.headers = headers
    await drop(server, path, 70_000)
    await complete(server, path, V1)
    assert server.asked[-1].get("if-range") == validator
    assert resumed_at(server) == ("bytes=70000-" if validator else None)


@pytest.mark.parametrize("size", [SIZE, SIZE - 1, SIZE + 1, 1000])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"v1"'}, {"ETag": '"v2"'}),
        ({"ETag": '"v1"'}, {}),
        ({"Last-Modified": MODIFIED}, {"Last-Modified": "Mon, 05 Jan 2026 10:00:01 GMT"}),
        ({"ETag": 'W/"v1"'}, {"ETag": 'W/"v1"'}),
        ({}, {}),
    ],
)
async def test_changed_content_starts_over(
    server: FileServer, path: Path, size: int, before: dict[str, str], after: dict[str, str]
) -> None:
    server.headers = before
    await drop(server, path, BLOCK)
    server.headers, server.content = after, (V2 + V2)[:size]
    await complete(server, path, (V2 + V2)[:size])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"v1"'}, {"ETag": '"v2"'}),
        ({"ETag": '"v1"'}, {"ETag": 'W/"v1"'}),
        ({"ETag": '"v1"', "Last-Modified": MODIFIED}, {"Last-Modified": MODIFIED}),
        ({"Last-Modified": MODIFIED}, {"Last-Modified": "Mon, 05 Jan 2026 10:00:01 GMT"}),
    ],
)
async def test_changed_content_is_not_mixed_in_by_a_server_that_ignores_if_range(
    server: FileServer, path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    server.knows_if_range, server.headers = False, before
    await drop(server, path, BLOCK)
    server.headers, server.content = after, V2
    with pytest.raises(FetchFailed, match="other content"):
        await attempt(server, path)
    await complete(server, path, V2)


async def test_a_partial_answer_may_leave_out_the_date_that_it_confirmed(server: FileServer, path: Path) -> None:
    server.headers = {"Last-Modified": MODIFIED}
    await drop(server, path, BLOCK)
    head = f"HTTP/1.1 206 X\r\nContent-Range: bytes {BLOCK}-{SIZE - 1}/{SIZE}\r\nContent-Length: {SIZE - BLOCK}\r\n\r\n"
    server.raw = head.encode() + V1[BLOCK:]
    await complete(server, path, V1)


@pytest.mark.parametrize("content", [V1, V2], ids=["the same", "changed"])
async def test_a_partial_answer_without_the_etag_of_the_whole_proves_nothing(
    server: FileServer, path: Path, content: bytes
) -> None:
    def meddle(number: int, asked: dict[str, str]) -> None:
        server.headers = {} if "range" in asked else {"ETag": '"v1"'}

    server.knows_if_range, server.meddle = False, meddle
    await drop(server, path, BLOCK)
    server.content = content
    with pytest.raises(FetchFailed, match="other content"):
        await attempt(server, path)
    await complete(server, path, content)
    assert resumed_at(server) is None


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_between_attempts_the_file_is_one_version_as_a_whole(
    server: FileServer, path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    version = 0
    for _ in range(40):
        if chance.random() < 0.3:
            version += 1
        server.content = (V1, V2)[version % 2][: SIZE - version % 3]
        stamp = {"ETag": f'"v{version}"', "Last-Modified": f"Mon, 05 Jan 2026 10:00:{version:02} GMT"}
        server.headers = {name: stamp[name] for name in stamp if chance.random() < 0.8}
        server.knows_range, server.chunked = chance.random() < 0.8, chance.random() < 0.3
        server.status = chance.choice([None] * 6 + [403, 500, 416])
        server.cuts = [chance.randrange(SIZE - 2)] if chance.random() < 0.8 else []
        try:
            sha256 = await attempt(server, path)
        except (FetchFailed, URLExpired):
            continue
        assert path.read_bytes() == server.content
        assert sha256 == hashlib.sha256(server.content).hexdigest()
        return
    pytest.fail("40 attempts were not enough")


# Answers that are wrong

REST = SIZE - BLOCK


def piece(start: int, stop: int, more: bytes = b"") -> bytes:
    """A partial answer with these bytes of V1, and with more than it may have."""
    body = V1[start:stop] + more
    head = f'HTTP/1.1 206 X\r\nETag: "v1"\r\nContent-Range: bytes {start}-{stop - 1}/{SIZE}\r\n'
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes {BLOCK + 1}-{SIZE - 1}/{SIZE}",
        f"bytes {BLOCK - 1}-{SIZE - 1}/{SIZE}",
        f"bytes 0-{SIZE - 1}/{SIZE}",
        f"bytes {BLOCK}-{SIZE - 1}/{SIZE + 1}",
        f"bytes {BLOCK}-{SIZE - 1}/*",
        f"bytes */{SIZE}",
        f"bytes {BLOCK}-{'9' * 5000}/{SIZE}",
        f"items {BLOCK}-{SIZE - 1}/{SIZE}",
        "bytes",
        None,
    ],
    ids=["late", "early", "from 0", "total", "no total", "none", "digits", "unit", "garbage", "missing"],
)
async def test_another_range_than_was_asked_for_is_not_taken(
    server: FileServer, path: Path, content_range: str | None
) -> None:
    await drop(server, path, BLOCK)
    line = f"Content-Range: {content_range}\r\n" if content_range else ""
    head = f'HTTP/1.1 206 X\r\nETag: "v1"\r\n{line}Content-Length: {REST}\r\n\r\n'
    server.raw = head.encode() + V1[BLOCK:]
    with pytest.raises(FetchFailed, match="another range"):
        await attempt(server, path)
    server.raw = None
    await complete(server, path, V1)


@pytest.mark.parametrize("etag", ["", 'ETag: W/"v1"\r\n'], ids=["nothing yet", "not resumable"])
async def test_a_range_that_was_not_asked_for_is_not_taken(server: FileServer, path: Path, etag: str) -> None:
    if etag:
        server.headers = {"ETag": 'W/"v1"'}
        await drop(server, path, BLOCK)
    begin = BLOCK if etag else 0
    length = f"Content-Length: {SIZE - begin}\r\n"
    head = f"HTTP/1.1 206 X\r\n{etag}Content-Range: bytes {begin}-{SIZE - 1}/{SIZE}\r\n{length}\r\n"
    server.raw = head.encode() + V2[begin:]
    with pytest.raises(FetchFailed, match="206"):
        await attempt(server, path)
    server.raw = None
    await complete(server, path, V1)


@pytest.mark.parametrize("extra", [1, 2 * BLOCK])
async def test_more_than_the_announced_length_is_not_taken(server: FileServer, path: Path, extra: int) -> None:
    await drop(server, path, BLOCK)
    server.raw = piece(BLOCK, SIZE, bytes(extra))
    with pytest.raises(FetchFailed, match=f"larger than {SIZE} bytes"):
        await attempt(server, path)
    server.raw = None
    await complete(server, path, V1)


async def test_a_range_that_ends_early_is_kept_and_gone_on_from(server: FileServer, path: Path) -> None:
    await drop(server, path, BLOCK)
    server.raw = piece(BLOCK, 2 * BLOCK)
    with pytest.raises(FetchFailed, match=f"ended at byte {2 * BLOCK} of {SIZE}"):
        await attempt(server, path)
    server.raw = None
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={2 * BLOCK}-"


@pytest.mark.parametrize("wrong", [1, -1, -SIZE])
async def test_a_length_beside_chunks_is_none(server: FileServer, path: Path, wrong: int) -> None:
    server.chunked, server.headers = True, {**server.headers, "Content-Length": str(SIZE + wrong)}
    await complete(server, path, V1)


async def test_a_length_that_only_a_later_answer_tells_is_downloaded_whole(server: FileServer, path: Path) -> None:
    server.chunked = True
    await drop(server, path, BLOCK)
    server.raw = piece(BLOCK, BLOCK + 1000)
    with pytest.raises(FetchFailed, match=f"ended at byte {BLOCK + 1000} of {SIZE}"):
        await attempt(server, path)
    server.raw = None
    for _ in range(2):
        await complete(server, path, V1)
    assert len(server.asked) == 3  # what is known to be complete is not asked for again


@pytest.mark.parametrize("total", ["*", str(SIZE - 1), str(BLOCK)])
async def test_a_range_of_nobody_knows_how_much_is_not_taken(server: FileServer, path: Path, total: str) -> None:
    server.chunked = True
    await drop(server, path, BLOCK)
    server.raw = piece(BLOCK, SIZE).replace(f"/{SIZE}\r\n".encode(), f"/{total}\r\n".encode(), 1)
    with pytest.raises(FetchFailed, match="another range"):
        await attempt(server, path)
    server.raw = None
    await complete(server, path, V1)


async def test_bytes_beyond_the_content_length_belong_to_nothing(server: FileServer, path: Path) -> None:
    server.raw = b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nhello and more"
    await complete(server, path, b"hello")


async def test_a_range_that_cannot_be_satisfied_starts_over(server: FileServer, path: Path) -> None:
    await drop(server, path, BLOCK)
    server.content, server.knows_if_range = V2[:1000], False
    with pytest.raises(FetchFailed, match="shorter"):
        await attempt(server, path)
    await complete(server, path, V2[:1000])


async def test_a_body_without_any_length_ends_with_its_connection(server: FileServer, path: Path) -> None:
    server.raw = b"HTTP/1.0 200 X\r\n\r\nhello"
    await complete(server, path, b"hello")


async def test_an_empty_file_is_what_it_is_and_asked_for_again(server: FileServer, path: Path) -> None:
    server.content = b""
    await complete(server, path, b"")
    server.content = V1
    await complete(server, path, V1)


async def test_compressed_content_leaves_what_is_there(server: FileServer, path: Path) -> None:
    await drop(server, path, BLOCK)
    server.headers |= {"Content-Encoding": "gzip"}
    with pytest.raises(FetchFailed, match="compressed"):
        await attempt(server, path)
    del server.headers["Content-Encoding"]
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={BLOCK}-"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_expired_url_keeps_what_is_there_and_a_fresh_one_goes_on(
    server: FileServer, path: Path, status: int
) -> None:
    await drop(server, path, BLOCK)
    server.status = status
    with pytest.raises(URLExpired, match=str(status)):
        await attempt(server, path)
    server.status = None
    await complete(server, path, V1, url=f"{server.url}?signature=fresh")
    assert server.asked[-1]["path"].endswith("?signature=fresh")
    assert resumed_at(server) == f"bytes={BLOCK}-"


@pytest.mark.parametrize("status", [204, 302, 304, 400, 429, 500, 503])
async def test_any_other_status_keeps_what_is_there(server: FileServer, path: Path, status: int) -> None:
    await drop(server, path, BLOCK)
    server.status = status
    with pytest.raises(FetchFailed, match=str(status)):
        await attempt(server, path)
    server.status = None
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={BLOCK}-"


async def test_an_endless_body_stops_at_the_limit(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.download, "MAX_BYTES", 2 * BLOCK)
    server.chunked = True
    with pytest.raises(FetchFailed, match=f"larger than {2 * BLOCK} bytes"):
        await attempt(server, path)


# Pace and cancellation


async def test_a_body_that_drips_is_given_up_and_gone_on_from(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.receiving, "PACE_SECONDS", 0.5)
    server.cuts, server.stalls = [BLOCK + 1], True
    with pytest.raises(FetchFailed, match="fewer than 65536 bytes came"):
        await attempt(server, path)
    monkeypatch.undo()
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={BLOCK + 1}-"


async def test_a_slow_body_that_keeps_the_pace_is_awaited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 2000\r\n\r\n")
        for _ in range(20):
            writer.write(bytes(100))
            await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()

    monkeypatch.setattr(media.receiving, "PACE_SECONDS", 0.5)
    monkeypatch.setattr(media.receiving, "PACE_BYTES", 100)
    slow = await asyncio.start_server(slowly, "127.0.0.1", 0)
    async with slow, FileServer() as server:
        server.url = f"http://127.0.0.1:{slow.sockets[0].getsockname()[1]}/"
        await complete(server, path, bytes(2000))


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancelled_download_has_written_every_byte_once(
    server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch, cancels: int
) -> None:
    writing, go_on, append = threading.Event(), threading.Event(), PartialFile.append

    def slow_append(part: PartialFile, block: bytes) -> int:
        writing.set()
        go_on.wait(10)
        return append(part, block)

    monkeypatch.setattr(PartialFile, "append", slow_append)
    attempted = asyncio.create_task(attempt(server, path))
    await asyncio.to_thread(writing.wait, 10)
    for _ in range(cancels):
        attempted.cancel()
        await asyncio.sleep(0.05)
        assert not attempted.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await attempted
    assert BLOCK <= path.stat().st_size < SIZE
    assert V1.startswith(path.read_bytes())
    await complete(server, path, V1)
    assert resumed_at(server)


# What lies on the disk


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        '"v1"',
        "{}",
        '{"validator": "\\"v1\\""}',
        '{"validator": 1, "length": null}',
        '{"validator": ["x"], "length": 5}',
        '{"validator": "\\"v1\\"", "length": "5"}',
        "\xff\xfe\x00",
        f'{{"validator": "\\"v1\\"", "length": {BLOCK - 1}}}',
    ],
)
async def test_without_good_notes_it_starts_over(server: FileServer, path: Path, notes: Path, text: str | None) -> None:
    await drop(server, path, BLOCK)
    if text is None:
        notes.unlink()
    else:
        notes.write_bytes(text.encode("latin-1"))
    server.content = V2
    await complete(server, path, V2)
    assert resumed_at(server) is None


async def test_notes_without_the_file_start_over(server: FileServer, path: Path) -> None:
    await drop(server, path, BLOCK)
    path.unlink()
    await complete(server, path, V1)
    assert resumed_at(server) is None


async def test_nothing_stays_after_a_file_is_discarded(path: Path, notes: Path) -> None:
    part = PartialFile(path).open()
    part.append(b"x")
    part.discard()
    part.close()
    assert not path.exists()
    assert not notes.exists()


def test_a_second_opener_is_refused_until_the_first_closes(path: Path) -> None:
    first = PartialFile(path).open()
    first.restart(Version('"1"', None))
    first.append(b"hello")
    with pytest.raises(PartialFileBusy, match="another attempt"):
        PartialFile(path).open()
    assert path.read_bytes() == b"hello"
    first.close()
    second = PartialFile(path).open()
    assert second.size == 5
    second.close()


@pytest.mark.parametrize("again", [False, True], ids=["gone", "replaced"])
def test_a_file_that_was_delivered_between_opening_and_locking_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    path.write_bytes(b"a finished video")
    delivered = path.with_name("video.mp4")

    def late(*arguments: Any) -> None:
        os.rename(path, delivered)  # noqa: PTH104 - as short as it looks
        if again:
            path.write_bytes(b"")

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(PartialFileBusy):
        PartialFile(path).open()
    monkeypatch.undo()
    assert delivered.read_bytes() == b"a finished video"


async def test_a_video_that_was_linked_to_its_place_is_never_emptied(
    server: FileServer, path: Path, notes: Path
) -> None:
    await complete(server, path, V1)
    delivered = path.with_name("video.mp4")
    delivered.hardlink_to(path)
    notes.unlink()
    server.content = V2
    await complete(server, path, V2)
    assert delivered.read_bytes() == V1


def test_a_file_that_cannot_be_taken_up_is_not_kept_locked(path: Path, notes: Path) -> None:
    notes.mkdir()
    for _ in range(2):
        with pytest.raises(IsADirectoryError):
            PartialFile(path).open()
    notes.rmdir()
    PartialFile(path).open().close()


# Processes

PROGRAM = """
import asyncio, ipaddress, resource, sys
from pathlib import Path
from media.download import download
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.partial_file import PartialFile

async def main(url, path, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    part = PartialFile(Path(path)).open()
    async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
        await download(fetcher, url, part)

asyncio.run(main(*sys.argv[1:]))
"""


async def until(seen: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not seen():
            await asyncio.sleep(0.02)


def separately(server: FileServer, path: Path, limit: int = -1) -> Any:
    """The same attempt in a process of its own, whose files can grow to `limit` bytes."""
    command = [sys.executable, "-c", PROGRAM, server.url, str(path), str(limit)]
    return spawn(command, path.with_name("log"), cwd=ROOT)


async def test_after_a_crash_only_the_missing_bytes_are_fetched(server: FileServer, path: Path) -> None:
    server.cuts, server.stalls = [SIZE - 1], True
    process = separately(server, path)
    await until(lambda: path.exists() and path.stat().st_size >= BLOCK)
    process.kill()
    process.wait()
    kept = path.read_bytes()
    assert V1.startswith(kept)
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={len(kept)}-"
    assert server.served[-1] == SIZE - len(kept)


async def test_another_process_cannot_write_the_same_file(server: FileServer, path: Path) -> None:
    server.cuts, server.stalls = [SIZE - 1], True
    process = separately(server, path)
    await until(lambda: path.exists() and path.stat().st_size >= BLOCK)
    with pytest.raises(PartialFileBusy):
        await attempt(server, path)
    process.kill()
    process.wait()
    await complete(server, path, V1)


@pytest.mark.parametrize("limit", [70_000, BLOCK, BLOCK + 1000])
async def test_a_full_disk_is_an_oserror_and_what_was_written_stays_usable(
    server: FileServer, path: Path, limit: int
) -> None:
    process = separately(server, path, limit)
    await until(lambda: process.poll() is not None)
    assert "OSError: [Errno 27] File too large" in path.with_name("log").read_text().splitlines()
    assert path.read_bytes() == V1[:limit]
    await complete(server, path, V1)
    assert resumed_at(server) == f"bytes={limit}-"


def test_a_write_that_failed_half_way_counts_what_was_written(path: Path) -> None:
    class Full:
        """A disk with room for three bytes more at a time."""

        def __init__(self, file: Any) -> None:
            self.file, self.room = file, 3

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            written = int(self.file.write(data[: self.room]))
            self.room -= written
            return written

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    part = PartialFile(path).open()
    full: Any = Full(part._file)
    part._file = full
    with pytest.raises(OSError, match="No space left"):
        part.append(b"hello")
    full.room = 100
    part.append(b"lo")
    assert (part.size, part.sync()) == (5, hashlib.sha256(b"hello").hexdigest())
    part.close()
    assert path.read_bytes() == b"hello"
    assert not path.with_name(path.name + ".json").exists()  # nobody could go on from it
