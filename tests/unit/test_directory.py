"""A directory of this machine as the output, on a file system with and without hard links."""

import asyncio
import errno
import fcntl
import hashlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from media.storage import Directory, OutputUnavailable


@pytest.fixture(params=[None, errno.EPERM, errno.ENOTSUP, errno.ENOSYS], ids=["links", "exfat", "share", "fuse"])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """What `link` answers where there are none; None where there are some."""
    number: int | None = request.param
    if number is None:
        return None

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    return number


@pytest.mark.usefixtures("no_links")
async def test_nothing_that_exists_is_overwritten_by_something_else(tmp_path: Path) -> None:
    """Ten files that want one name at the same time: each is kept whole, under a name of its own."""
    output, contents = Directory(tmp_path), [f"video {number}".encode() for number in range(10)]
    (tmp_path / "film.mp4").symlink_to("nowhere")

    async def deliver(number: int, content: bytes) -> str:
        file = tmp_path / f".{number}.part"
        file.write_bytes(content)
        names = ("film.mp4", "film-again.mp4", f"film-{number}.mp4")
        return await output.deliver(file, hashlib.sha256(content).hexdigest(), names)

    names = await asyncio.gather(*(deliver(*each) for each in enumerate(contents)))
    assert names.count("film-again.mp4") == 1
    assert "film.mp4" not in names
    assert [(tmp_path / name).read_bytes() for name in names] == contents
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("no_links")
async def test_a_place_that_can_be_delivered_to_is_ready_and_stays_empty(tmp_path: Path) -> None:
    await Directory(tmp_path / "new").prepare()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("folders", [False, True], ids=["nothing", "no folder"])
async def test_a_place_where_nothing_can_be_locked_is_found_before_anything_is_bought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_links: int | None, folders: bool
) -> None:
    """Some shares lock nothing; some lock files, but no folder, which is asked of them where there are no links."""
    flock = fcntl.flock

    def lock(file: Any, operation: int) -> None:
        if folders and not isinstance(file, int):
            return flock(file, operation)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", lock)
    if folders and no_links is None:
        await Directory(tmp_path).prepare()  # a link needs no lock
        return
    with pytest.raises(OutputUnavailable, match=f"{tmp_path} cannot be written: No locks available"):
        await Directory(tmp_path).prepare()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_links")
async def test_what_was_delivered_before_a_crash_is_found_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert await Directory(tmp_path).deliver_bytes(b"video", ("film.mp4", "other.mp4")) == "film.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.fixture
def full() -> Iterator[None]:
    """No file of this process grows beyond 100 bytes: what is written stops there, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full")
async def test_a_full_disk_is_not_filled_further_by_what_did_not_fit(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(OutputUnavailable, match="File too large"):
            await Directory(tmp_path).deliver_bytes(bytes(1000), ("manifest.json",))
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_left_of_a_file_whose_delivery_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the disk takes its time."""
    begun, fsync = threading.Event(), os.fsync

    def slow(handle: int) -> None:
        begun.set()
        time.sleep(0.2)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", slow)
    delivery = asyncio.create_task(Directory(tmp_path).deliver_bytes(b"manifest", ("manifest.json",)))
    await asyncio.to_thread(begun.wait)
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    await asyncio.sleep(0.3)  # whatever still runs
    assert list(tmp_path.iterdir()) == []
