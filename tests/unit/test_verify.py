"""Result files as they may come from a provider: what is said of them, which pictures are drawn, and at what cost."""

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from asyncio.subprocess import PIPE
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

import media.verify
from media.confinement import NotConfined
from media.storage import OutputUnavailable
from media.verify import Expected, Pictures, Verified, Verifier, VideoInvalid
from tests.support.media_server import audio, image, video
from tests.support.processes import ROOT
from tests.support.readers import fork_server, readers, runs
from tests.support.video import mp4

ANY = Expected("", None, ())
P720 = Expected("720p", "16:9", (5.0,))


async def verified(folder: Path, content: bytes, expected: Expected = ANY, *, pictures: bool = False) -> Verified:
    path = folder / "result.part"
    path.write_bytes(content)
    return await Verifier().verify(path, expected, pictures=pictures)


def film(shown: list[Image.Image], codec: str = "libx264", **options: str) -> bytes:
    """A video of these frames, 24 a second."""
    file = BytesIO()
    with av.open(file, "w", format="mov") as container:
        stream = container.add_stream(codec, rate=24)
        assert isinstance(stream, av.VideoStream)
        (stream.width, stream.height), stream.pix_fmt = shown[0].size, "yuv420p"
        stream.options = {"preset": "ultrafast", **options}
        for picture in shown:
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]  # PyAV has no types for it
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def plain(brightness: int, width: int = 320, height: int = 180) -> Image.Image:
    return Image.new("RGB", (width, height), (brightness,) * 3)


def scene(number: int, width: int = 320, height: int = 180) -> Image.Image:
    """A bright square on its way from left to right."""
    picture = plain(90, width, height)
    left = number * 2 % (width - 60)
    ImageDraw.Draw(picture).rectangle((left, 60, left + 50, 110), (230, 200, 40))
    return picture


def cells(sheet: Image.Image, rows: int, columns: int) -> list[Image.Image]:
    """The frames of a contact sheet without their marks."""
    width, height = (sheet.width - 4) // columns, (sheet.height - 4) // rows
    corners = [(4 + column * width, 4 + row * height) for row in range(rows) for column in range(columns)]
    return [sheet.crop((left, top + 30, left + width - 4, top + height - 4)) for left, top in corners]


def different(one: Image.Image, other: Image.Image) -> bool:
    """Whether more of two frames differs than edges that a JPEG has blurred."""
    return sum(ImageChops.difference(one, other).convert("L").histogram()[50:]) > 300


def brightness(picture: Image.Image) -> float:
    return float(ImageStat.Stat(picture.convert("L")).mean[0])


def damaged(content: bytes) -> bytes:
    """With zeros for frames."""
    start = content.index(b"mdat") + 4
    return content[:start] + bytes(len(content) - start)


SAID: dict[str, tuple[Callable[[], bytes], Expected]] = {
    "the file cannot be read as a video: Invalid data found": (lambda: b"<html>no</html>", ANY),
    "the file cannot be read as a video: Invalid data f": (bytes, ANY),
    "the file cannot be read as a video: Invalid data": (lambda: damaged(video()), ANY),
    "the file cannot be read as a video: Invalid argument": (image, ANY),
    "the file cannot be read as a video: Invalid": (lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", ANY),
    "the file is mp3 without a video stream": (audio, ANY),
    r"packet \d+ of the video is corrupt": (lambda: video(padding=2000)[:200_000], ANY),
    "the video lasts 2.00 s where 5 s were expected": (lambda: mp4(1280, 720, 2), P720),
    "the video lasts 2.00 s where 4 s were expected": (lambda: mp4(1280, 720, 2), Expected("", None, (4, 4.0))),
    "the video lasts 2.00 s where 5 s or 9 s were expected": (lambda: mp4(1280, 720, 2), Expected("", None, (5, 9))),
    "the video is 320x240, which is not 720p": (video, P720),
    "the video is 720x1280, which is not 16:9": (lambda: mp4(720, 1280, 5), P720),
}


@pytest.mark.parametrize("said", SAID)
async def test_what_is_not_the_video_is_refused_with_the_reason(tmp_path: Path, said: str) -> None:
    content, expected = SAID[said]
    with pytest.raises(VideoInvalid, match=f"^{said}"):
        await verified(tmp_path, content(), expected, pictures=True)


async def test_the_facts_are_those_of_the_file_and_pictures_come_only_where_they_are_wanted(tmp_path: Path) -> None:
    found = await verified(tmp_path, mp4(1280, 720, 5), P720)
    assert found.facts.model_dump() == {
        "container": "mp4",
        "codec": "h264",
        "width": 1280,
        "height": 720,
        "fps": 24,
        "duration": 5,
        "has_audio": False,
    }
    assert found.pictures is None


# Pictures


async def drawn(folder: Path, content: bytes) -> tuple[Image.Image, Image.Image]:
    """The poster and the contact sheet."""
    pictures = (await verified(folder, content, pictures=True)).pictures
    assert isinstance(pictures, Pictures), pictures
    poster, sheet = (Image.open(BytesIO(jpeg)) for jpeg in (pictures.poster, pictures.contact_sheet))
    assert (poster.format, sheet.format) == ("JPEG", "JPEG")
    return poster, sheet


@pytest.mark.parametrize("options", [{"g": "24"}, {"g": "250"}, {"g": "250", "preset": "veryfast", "bf": "3"}], ids=str)
async def test_a_contact_sheet_shows_twelve_frames_from_beginning_to_end(
    tmp_path: Path, options: dict[str, str]
) -> None:
    """However far its key frames lie apart."""
    poster, sheet = await drawn(tmp_path, film([scene(number) for number in range(120)], **options))
    assert poster.size == (320, 180)
    shown = cells(sheet, 3, 4)
    assert all(different(one, other) for at, one in enumerate(shown) for other in shown[:at])
    squares = [left_of_square(cell) for cell in shown]
    assert squares == sorted(squares)
    assert squares[0] < 20
    assert squares[-1] > 210


def left_of_square(cell: Image.Image) -> int:
    row = cell.convert("L").crop((0, 70, cell.width, 71)).tobytes()
    return next(x for x, value in enumerate(row) if value > 150)


async def test_a_video_that_starts_black_has_a_poster_that_is_not(tmp_path: Path) -> None:
    black, white = [plain(0)] * 90, [plain(255)] * 20
    poster, sheet = await drawn(tmp_path, film([*black, *white, *(scene(number) for number in range(20))]))
    assert 85 < brightness(poster) < 140
    assert left_of_square(poster) < 60
    assert brightness(cells(sheet, 3, 4)[0]) < 10


async def test_a_video_that_is_black_throughout_is_shown_as_it_is(tmp_path: Path) -> None:
    poster, _ = await drawn(tmp_path, film([plain(0)] * 48))
    assert brightness(poster) < 10


@pytest.mark.parametrize(("size", "expected"), [((3840, 2160), (1280, 720)), ((1080, 1920), (720, 1280))])
async def test_a_poster_has_at_most_1280_pixels_a_side(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    poster, sheet = await drawn(tmp_path, film([scene(number, *size) for number in range(6)]))
    assert poster.size == expected
    assert max(sheet.size) < 1400


async def test_one_frame_is_enough(tmp_path: Path) -> None:
    poster, sheet = await drawn(tmp_path, film([scene(40)]))
    assert not different(poster, scene(40))
    assert not different(cells(sheet, 1, 1)[0], scene(40).crop((0, 30, 320, 180)))


async def test_damage_in_the_middle_leaves_the_video_good_and_tells_why_it_has_no_pictures(tmp_path: Path) -> None:
    content = bytearray(video(padding=1000))
    middle = len(content) // 2
    content[middle : middle + 30_000] = bytes(30_000)
    found = await verified(tmp_path, bytes(content), pictures=True)
    assert found.facts.duration == 5
    assert found.pictures == "Invalid data found when processing input"


# Hostile files


def png_bomb() -> bytes:
    """A video whose one frame, of some hundred bytes, claims to have 30,000 pixels a side."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head, rows = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0), zlib.compress(bytes(90_001))
    frame = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    file = BytesIO()
    with av.open(file, "w", format="mov") as container:
        stream = container.add_stream("png", rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        for number in range(3):
            packet = av.Packet(frame)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 24), number, number
            packet.is_keyframe = True
            container.mux(packet)
    return file.getvalue()


MEASURE = """
import asyncio, resource, sys
from pathlib import Path
from media.confinement import end_fork_servers
from media.verify import Verifier
from tests.support.media_server import mp4_bomb, video
from tests.unit.test_verify import ANY, damaged, png_bomb

def peak(who):
    return resource.getrusage(who).ru_maxrss // 1024

async def main(folder):
    files = [png_bomb(), damaged(video()), *(mp4_bomb(n) for n in (500_000, 2_000_000, 80_000_000))]
    for number, content in enumerate(files):
        (folder / str(number)).write_bytes(content)
    verifier, before = Verifier(), peak(resource.RUSAGE_SELF)
    looks = (verifier.verify(folder / str(number), ANY, pictures=True) for number in range(len(files)))
    for verdict in await asyncio.gather(*looks, return_exceptions=True):
        print(repr(verdict)[:150], file=sys.stderr)
    end_fork_servers()  # children of children count when they have ended
    print(peak(resource.RUSAGE_SELF) - before, peak(resource.RUSAGE_CHILDREN))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_hostile_files_are_refused_and_take_none_of_the_workers_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    ours, process = map(int, re.findall(r"-?\d+", told.stdout))
    assert [line.partition("(")[0] for line in told.stderr.splitlines()] == ["VideoInvalid"] * 5, told.stderr
    assert ours < 10, told  # MiB
    assert process < 600, told


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have `program` run in place of the one that reads videos."""
    head = "import os, signal, struct\nMEMORY, SECONDS = 1 << 25, 1\ndef main(arguments):\n    "
    (folder / "stand_in.py").write_text(head + program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(media.verify, "_PROGRAM", "stand_in")


BROKEN: dict[str, str] = {
    "while True: pass": "too much memory or time",
    "os.abort()": "too much memory or time",
    "bytes(1 << 27)": "too much memory or time",
    "os.write(1, b'F' + b'\\xff' * 4); signal.pause()": "too much memory or time",
    "os.write(1, b'F' + struct.pack('>I', 2) + b'{}')": "makes no sense",
    "os.write(1, b'I' + struct.pack('>I', 4) + b'what')": "^what$",
}


@pytest.mark.parametrize("program", BROKEN)
async def test_a_process_that_breaks_down_or_lies_makes_the_file_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    stand_in(monkeypatch, tmp_path, program)
    with pytest.raises(VideoInvalid, match=BROKEN[program]):
        await verified(tmp_path, b"", pictures=True)


FACTS = {"container": "mp4", "codec": "h264", "width": 1280, "height": 720, "fps": 24, "duration": 5, "has_audio": True}
WITHOUT_PICTURES = {
    "os.abort()": "that takes too much memory or time",
    "os.write(1, b'P' + struct.pack('>I', 2) + b'ab' + b'S' + b'\\xff' * 4)": "that takes too much memory or time",
    "os.kill(os.getpid(), signal.SIGKILL)": "the process that reads it was killed",
    "os.write(1, b'X' + struct.pack('>I', 4) + b'what')": "what",
}


@pytest.mark.parametrize("program", WITHOUT_PICTURES)
async def test_pictures_that_cannot_be_drawn_leave_the_video_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    facts = json.dumps(FACTS)
    stand_in(monkeypatch, tmp_path, f"os.write(1, b'F' + struct.pack('>I', {len(facts)}) + b'{facts}'); {program}")
    found = await verified(tmp_path, b"", pictures=True)
    assert found.facts.model_dump() == FACTS
    assert str(found.pictures).startswith(WITHOUT_PICTURES[program])


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
async def test_a_process_that_is_ended_from_outside_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    stand_in(monkeypatch, tmp_path, "signal.pause()")
    check = asyncio.create_task(verified(tmp_path, b""))
    os.kill(await reader_of(), getattr(signal, number))
    with pytest.raises(NotConfined, match=r"was killed|before it began"):
        await check


async def test_a_disk_that_does_not_give_the_bytes_says_nothing_about_the_file() -> None:
    with pytest.raises(OutputUnavailable, match="/proc/self/mem cannot be read: Input/output error"):
        await Verifier().verify(Path("/proc/self/mem"), ANY)  # the kernel's own place for that answer


async def test_a_process_that_cannot_begin_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.verify, "_PROGRAM", "a_module_that_is_not_there")
    with pytest.raises(NotConfined, match="before it began"):
        await verified(tmp_path, b"")


async def test_a_check_that_is_cancelled_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tmp_path, "print(flush=True); signal.pause()")
    check = asyncio.create_task(verified(tmp_path, b""))
    await reader_of()
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    assert readers("stand_in") == []


async def reader_of(pid: int | None = None) -> int:
    """The process that reads for this one, or for that with an id, once it is there."""
    async with asyncio.timeout(10):
        while not (found := readers("stand_in", pid)):
            await asyncio.sleep(0.01)
    return found[0]


async def test_when_the_fork_server_is_killed_nothing_is_said_about_the_file_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.dumps(FACTS)
    say = f"os.write(1, b'F' + struct.pack('>I', {len(facts)}) + b'{facts}')"
    stand_in(monkeypatch, tmp_path, f"os.fstat(0).st_size and signal.pause(); {say}")
    check = asyncio.create_task(verified(tmp_path, b"keeps it waiting"))
    os.kill(fork_server(await reader_of()), signal.SIGKILL)
    with pytest.raises(NotConfined, match=r"was killed|before it began"):
        await check
    assert (await verified(tmp_path, b"")).facts.model_dump() == FACTS


async def test_a_process_whose_fork_server_was_killed_before_it_could_notice_ends_itself() -> None:
    orphan = "import media.confined; media.confined._end_with_parent(1); print('goes on')"
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", orphan, cwd=ROOT, stdout=PIPE)
    said, _ = await started.communicate()
    assert not said
    assert started.returncode == 1


WORKER = """
import asyncio, sys
from pathlib import Path
import media.verify
media.verify._PROGRAM = "stand_in"
asyncio.run(media.verify.Verifier().verify(Path(sys.argv[1]), media.verify.Expected("", None, ())))
"""


async def test_no_process_outlives_a_worker_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tmp_path, "signal.pause()")
    (file := tmp_path / "file").touch()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, str(file), env=environment)
    reader = await reader_of(worker.pid)
    server = fork_server(reader)
    worker.kill()
    await worker.wait()
    async with asyncio.timeout(10):
        while runs(reader) or runs(server):
            await asyncio.sleep(0.01)
