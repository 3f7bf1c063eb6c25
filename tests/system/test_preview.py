"""Pictures beside the video: in directories and object stores, and `manxue open`, which shows them."""

import json
import os
import stat
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat
from temporalio.client import Client

from tests.support.command_line import CommandLine
from tests.support.object_store import BUCKET, SECRET, ObjectStore
from tests.support.processes import DevServer, EmulatorProcess, WorkerProcess, worker_process
from tests.support.runs import FAST, Runs, outcome, request

QUEUE = "preview"
POSTER, SHEET = ".poster.jpg", ".contact-sheet.jpg"


@pytest.fixture(scope="module")
def worker(folder: Path, worker_env: dict[str, str], store: ObjectStore) -> Iterator[WorkerProcess]:
    """A worker whose provider is the emulator, which renders real films."""
    emulator = EmulatorProcess(folder, "--speed", "500")
    env = {**worker_env, **store.env, "MANXUE_TASK_QUEUE": QUEUE, "MANXUE_BASE_URL": emulator.url}
    with worker_process(folder, env) as worker:
        yield worker
    emulator.kill()


@pytest.fixture
def runs(client: Client, worker: WorkerProcess) -> Runs:
    return Runs(client, QUEUE)


@pytest.fixture
def cli(server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The program on a machine whose opener notes what it was given, and says a word too many."""
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\necho chatter\n')
    opener.chmod(opener.stat().st_mode | stat.S_IXUSR)
    path = f"{opener.parent}:{os.environ['PATH']}"
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address, "MANXUE_TASK_QUEUE": QUEUE, "PATH": path})


def opened(cli: CommandLine) -> list[str]:
    """What the opener was given, in order."""
    return (cli.folder / "opened").read_text().splitlines()


def jpeg(content: bytes) -> Image.Image:
    picture = Image.open(BytesIO(content))
    assert picture.format == "JPEG"
    return picture


def is_a_poster(content: bytes) -> bool:
    """Neither black nor blank, and no larger than it may be."""
    picture = jpeg(content)
    grey = ImageStat.Stat(picture.convert("L"))
    return max(picture.size) <= 1280 and grey.mean[0] > 40 and grey.stddev[0] > 4


def distinct_frames(content: bytes) -> int:
    """How many frames of a contact sheet of four by three differ from the one before, below their time marks."""
    sheet = jpeg(content).convert("L")
    width, height = sheet.width // 4, sheet.height // 3
    corners = [(column * width, row * height) for row in range(3) for column in range(4)]
    frames = [sheet.crop((left + 8, top + 40, left + width - 8, top + height - 6)) for left, top in corners]
    return 1 + sum(sum(ImageChops.difference(*pair).histogram()[60:]) > 20 for pair in pairwise(frames))


async def test_a_poster_and_a_contact_sheet_lie_beside_the_video_and_the_manifest_names_them(
    runs: Runs, tmp_path: Path, word: str
) -> None:
    result = await runs.result(request=request(word), poll=FAST, output=tmp_path.as_uri(), name=word)
    names = {f"{word}{ending}" for ending in (".mp4", ".mp4.json", POSTER, SHEET)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert is_a_poster((tmp_path / f"{word}{POSTER}").read_bytes())
    assert distinct_frames((tmp_path / f"{word}{SHEET}").read_bytes()) == 12
    uris = {"poster_uri": f"{word}{POSTER}", "contact_sheet_uri": f"{word}{SHEET}"}
    assert result["preview"] == {field: (tmp_path / name).as_uri() for field, name in uris.items()}
    assert json.loads((tmp_path / f"{word}.mp4.json").read_text())["preview"] == result["preview"]
    assert result["warnings"] == []


async def test_a_file_that_has_the_name_of_a_picture_is_kept(runs: Runs, tmp_path: Path, word: str) -> None:
    (tmp_path / f"{word}{POSTER}").write_bytes(b"somebody's own")
    result = await runs.result(request=request(word), poll=FAST, output=tmp_path.as_uri(), name=word)
    assert (tmp_path / f"{word}{POSTER}").read_bytes() == b"somebody's own"
    poster = Path(urlsplit(result["preview"]["poster_uri"]).path)
    assert poster.name.startswith(f"{word}-")
    assert is_a_poster(poster.read_bytes())


async def test_pictures_that_are_not_wanted_are_not_made(runs: Runs, tmp_path: Path, word: str) -> None:
    result = await runs.result(request=request(word), poll=FAST, output=tmp_path.as_uri(), name=word, preview=False)
    assert {path.name for path in tmp_path.iterdir()} == {f"{word}.mp4", f"{word}.mp4.json"}
    assert result["preview"] is None
    assert result["warnings"] == []


async def test_the_pictures_of_a_video_in_an_object_store_lie_beside_it_and_are_opened_by_a_url_that_is_not_shown(
    runs: Runs, store: ObjectStore, cli: CommandLine, word: str
) -> None:
    handle = await runs.start(request=request(word), poll=FAST, output=f"s3://{BUCKET}/{word}/", name=word)
    result = await outcome(handle)
    found = store.read(word)
    place = f"s3://{BUCKET}/{word}/{word}"
    assert result["preview"] == {"poster_uri": f"{place}{POSTER}", "contact_sheet_uri": f"{place}{SHEET}"}
    assert is_a_poster(found[f"{word}{POSTER}"])
    assert distinct_frames(found[f"{word}{SHEET}"]) == 12
    assert json.loads(found[f"{word}.mp4.json"])["preview"] == result["preview"]

    here = cli.with_(**store.env)
    signed = await here.run("open", handle.id, "--poster")
    assert (signed.code, signed.out) == (0, "")
    (url,) = opened(cli)
    assert "Signature=" in url
    assert "Signature" not in signed.err
    assert SECRET not in signed.err
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(url)).content == found[f"{word}{POSTER}"]
    printed, unsigned = await here.run("open", handle.id, "--print"), await cli.run("open", handle.id)
    assert printed.out == f"{place}.mp4\n"
    assert unsigned.code == 3
    assert f"{place}.mp4 cannot be presigned" in unsigned.err
    assert len(opened(cli)) == 1


async def test_open_shows_the_video_or_a_picture_and_says_why_when_it_cannot(
    runs: Runs, cli: CommandLine, word: str
) -> None:
    output = ("--output", "out", "--name", word, "--poll-first", "0", "--poll-interval", "1", "--duration", "4")
    made = await cli.run("generate", "--prompt", word, "--id", word, *output)
    path = Path(made.out.strip())
    poster, sheet = (str(path.with_name(f"{word}{ending}")) for ending in (POSTER, SHEET))
    assert f"\n  poster {poster}\n  contact sheet {sheet}\n" in made.err
    show = ("open", word)
    told = await cli.run_all(show, (*show, "--poster"), (*show, "--contact-sheet"), (*show, "--poster", "--print"))
    assert [(one.code, one.out) for one in told] == [(0, "")] * 3 + [(0, f"{poster}\n")]
    assert sorted(opened(cli)) == sorted([str(path), poster, sheet])
    Path(poster).unlink()
    gone, both = await cli.run_all((*show, "--poster"), (*show, "--poster", "--contact-sheet"))
    assert (gone.code, both.code) == (3, 2)
    assert f"{poster} is not on this machine" in gone.err
    (cli.folder / "bin" / "xdg-open").write_text("#!/bin/sh\nexit 4\n")
    assert "xdg-open could not open" in (await cli.run(*show)).err
    assert len(opened(cli)) == 3
