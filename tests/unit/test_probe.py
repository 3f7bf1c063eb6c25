"""Media as servers really serve them, broken and hostile ones too: what is found, in how many bytes, at what cost."""

import asyncio
import gzip
import ipaddress
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import media.demuxing
import media.probe
from activities.check_media import MB, Finding, check_media
from manxue.checked_request import Medium
from media.fetch import AnswerUnusable, Fetcher
from media.guard import AddressGuard, FetchFailed, FetchRefused
from media.image_header import ImageHeader
from media.probe import IMAGE_BYTES, RECORDING_BYTES, ImageFacts, Prober, RecordingFacts
from media.remote_file import MediaUnreadable, NotExamined
from tests.support.media_server import MediaServer, audio, image, mp4_bomb, video
from tests.support.processes import ROOT
from tests.support.readers import readers

HUGE = 420_000
"""Bytes per frame that make a video of 5 s 50 MB large."""


@pytest.fixture(scope="module")
def server() -> Iterator[MediaServer]:
    server = MediaServer().start()
    yield server
    server.stop()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
        yield Prober(fetcher)


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with more APP1 segments at its beginning."""
    more = [b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment for segment in segments]
    return jpeg[:2] + b"".join(more) + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """The PNG with another chunk behind its first."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return png[:33] + struct.pack(">I4s", len(content), kind) + content + check + png[33:]


def noise(kind: str, **options: Any) -> bytes:
    """An image that cannot be compressed, 1000 by 900."""
    file = BytesIO()
    Image.frombytes("RGB", (1000, 900), os.urandom(2_700_000)).save(file, kind, **options)
    return file.getvalue()


def tiff_with_its_directory_last() -> bytes:
    pixels = bytes(2_000_000)
    entries = [(256, 4, 1000), (257, 3, 700 << 16), (274, 3, 6 << 16)]
    directory = struct.pack(">H", 3) + b"".join(struct.pack(">HHII", tag, kind, 1, v) for tag, kind, v in entries)
    return b"MM\0*" + struct.pack(">I", 8 + len(pixels)) + pixels + directory + bytes(4)


TURNED = Image.Exif()
TURNED[274] = 6

IMAGES = {
    "jpeg": image("jpeg"),
    "progressive jpeg": image("jpeg", progressive=True),
    "turned jpeg": image("jpeg", exif=TURNED),
    "jpeg, 200 KiB of EXIF": with_segments(image("jpeg", exif=TURNED), *[b"http://ns.adobe.com/" + bytes(51_000)] * 4),
    "png": image("png"),
    "animated png": image("png", frames=3),
    "turned png": image("png", exif=TURNED),
    "png, 400 KB of text": with_chunk(noise("png"), b"tEXt", b"prompt\0" + b"x" * 400_000),
    "webp": image("webp"),
    "lossless webp": image("webp", lossless=True),
    "animated webp": image("webp", frames=3),
    "turned webp of 1 MB": noise("webp", exif=TURNED, quality=100),
    "gif": image("gif"),
    "animated gif": image("gif", frames=3),
    "bmp": image("bmp"),
    "tiff": image("tiff"),
    "turned tiff": image("tiff", tiffinfo={274: 6}),
    "big tiff": image("tiff", big_tiff=True),
    "compressed tiff": noise("tiff", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", IMAGES)
async def test_an_image_is_known_by_its_content_as_pillow_knows_it(
    server: MediaServer, prober: Prober, name: str
) -> None:
    content, path = IMAGES[name], re.sub("[ ,]+", "-", f"{name}.txt")
    facts = await prober.image(server.serve(path, content, headers={"Content-Type": "text/plain"}))
    with Image.open(BytesIO(content)) as known:
        kind = (known.format or "").lower()
        turned = known.getexif().get(274) == 6 and kind != "tiff"  # of which Pillow tells the size as it is shown
        expected = ImageHeader(kind, *(known.size[::-1] if turned else known.size), animated="animated" in name)
    assert (expected.height > expected.width) == ("turned" in name or "EXIF" in name)
    assert facts == ImageFacts(expected, len(content))
    assert server.sent[path] <= IMAGE_BYTES


async def test_a_tiff_may_have_its_directory_at_its_end(server: MediaServer, prober: Prober) -> None:
    content = tiff_with_its_directory_last()
    facts = await prober.image(server.serve("last.tiff", content))
    assert facts == ImageFacts(ImageHeader("tiff", 700, 1000), len(content))
    assert server.sent["last.tiff"] <= IMAGE_BYTES


async def test_a_decompression_bomb_is_only_a_large_size(server: MediaServer, prober: Prober) -> None:
    bomb = with_chunk(image("png"), b"zTXt", b"x\0\0" + gzip.compress(bytes(50_000_000)))
    bomb = bomb[:16] + struct.pack(">II", 100_000, 100_000) + bomb[24:]
    facts = await prober.image(server.serve("bomb.png", bomb))
    assert (facts.header.width, facts.header.height) == (100_000, 100_000)


async def test_a_jpeg_without_its_end_is_read_but_marked(server: MediaServer, prober: Prober) -> None:
    whole = noise("jpeg")
    for name, content in {"whole": whole, "cut": whole[:100_000], "with more behind it": whole + bytes(2000)}.items():
        facts = await prober.image(server.serve(name.replace(" ", "-"), content))
        assert facts.header.cut_off == (name == "cut")


NO_IMAGES = {
    "is empty": b"",
    "is an HTML page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "is a JSON document": b'{"error": "expired"}',
    "is an SVG or XML file": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "is an AVIF or HEIC image": b"\0\0\0\x1cftypavif" + bytes(100),
    "is a gzip file": gzip.compress(bytes(10_000_000)),
    "is an MP4 or MOV": video(),
    "is of an unknown kind": b"Not found",
    "ends in the middle of its header": image("jpeg")[:100],
    "is a png without a size": image("png")[:16] + bytes(8) + image("png")[24:],
    "is a jpeg with a broken header": b"\xff\xd8\xff" + bytes(1000),
    "is a tiff without a size": b"II*\0\x08\0\0\0" + bytes(1000),
    "is a webp with a broken header": b"RIFF\0\0\0\0WEBPjunk" + bytes(1000),
    "is a png that is cut off": noise("png")[:1_000_000],
    "is a webp that is cut off": noise("webp")[:50_000],
    "is a bmp with a broken header": b"BMW is a maker of cars and motor cycles in Munich",
}


@pytest.mark.parametrize("said", NO_IMAGES)
async def test_what_is_no_image_is_told_apart_whatever_it_is_called(
    server: MediaServer, prober: Prober, said: str
) -> None:
    url = server.serve("face.png", NO_IMAGES[said], headers={"Content-Type": "image/png"})
    with pytest.raises(MediaUnreadable, match=f"^{said}"):
        await prober.image(url)


ENDS = {"first": "+faststart", "last": "+use_metadata_tags"}
RECORDINGS = {
    "index first.mp4": (video(), "mp4", "h264", None, 5.0),
    "index last.mp4": (video(movflags=ENDS["last"]), "mp4", "h264", None, 5.0),
    "fragments.mp4": (video(movflags="+frag_keyframe+empty_moov"), "mp4", "h264", None, 5.0),
    "dash.mp4": (video(movflags="+dash"), "mp4", "h264", None, 5.0),
    "video.mov": (video("video.mov"), "mov", "h264", None, 5.0),
    "video.mkv": (video("video.mkv"), "matroska,webm", "h264", None, 5.0),
    "video.avi": (video("video.avi"), "avi", "h264", None, 5.0),
    "video.ts": (video("video.ts"), "mpegts", "h264", None, 5.0),
    "audio.mp3": (audio(), "mp3", None, "mp3float", 3.0),
    "audio.wav": (audio("wav", "pcm_s16le"), "wav", None, "pcm_s16le", 3.0),
    "audio.aac": (audio("adts", "aac"), "aac", None, "aac", 3.0),
    "audio.ogg": (audio("ogg", "libopus"), "ogg", None, "opus", 3.0),
    "audio.flac": (audio("flac", "flac"), "flac", None, "flac", 3.0),
    "audio.m4a": (audio("ipod", "aac"), "mp4", None, "aac", 3.0),
}


@pytest.mark.parametrize("name", RECORDINGS)
async def test_videos_and_audios_are_known_by_their_content(server: MediaServer, prober: Prober, name: str) -> None:
    content, container, video_codec, audio_codec, seconds = RECORDINGS[name]
    facts = await prober.recording(server.serve("unnamed", content))
    assert facts.duration == pytest.approx(seconds, abs=0.05)
    found = (facts.container, facts.video_codec, facts.audio_codec, facts.bytes)
    assert found == (container, video_codec, audio_codec, len(content))
    assert (facts.width, facts.height) == ((320, 240) if video_codec else (None, None))


@pytest.mark.parametrize("end", ENDS)
async def test_a_video_of_50_mb_takes_less_than_2_mib_and_few_round_trips(
    server: MediaServer, prober: Prober, end: str
) -> None:
    name, content = f"index-{end}.mp4", video(movflags=ENDS[end], padding=HUGE)
    assert len(content) > 50_000_000
    facts = await prober.recording(server.serve(name, content))
    assert facts.duration == pytest.approx(5.0, abs=0.05)
    assert facts.bytes == len(content)
    assert server.sent[name] < RECORDING_BYTES
    assert all(request.startswith("GET bytes=") for request in server.requests[name])
    assert len(server.requests[name]) <= 3


HOSTILE = {
    "is empty": b"",
    "is an HTML page": b"<html>no</html>",
    "is a png image": image("png"),
    "is a playlist": b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n",
    "cannot be read as a video or audio": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "is cut off": video(padding=5000)[:300_000],
    "cannot be read as a video or audio: it holds nothing": mp4_bomb(80_000_000),
}


@pytest.mark.parametrize("said", HOSTILE)
async def test_what_is_no_video_is_told_apart_and_leads_nowhere(server: MediaServer, prober: Prober, said: str) -> None:
    with pytest.raises(MediaUnreadable, match=f"^{said}"):
        await prober.recording(server.serve("video.mp4", HOSTILE[said]))


async def test_an_index_that_was_cut_off_makes_a_video_unreadable(server: MediaServer, prober: Prober) -> None:
    content = video(movflags=ENDS["last"], padding=5000)
    with pytest.raises(MediaUnreadable, match="cannot be read"):
        await prober.recording(server.serve("cut.mp4", content[: len(content) // 2]))


@pytest.mark.parametrize(
    ("program", "raised", "said"),
    [
        ("os.write(1, b'R' + bytes(11) + b'1'); os.abort()", MediaUnreadable, "too much memory or time"),
        ("os.write(1, b'R' + bytes(11) + b'1' + b'F' + bytes(4)); os.abort()", MediaUnreadable, "too much"),
        ("os.write(1, b'F' + b'\\xff' * 4); signal.pause()", MediaUnreadable, "too much"),
        ("while True: pass", MediaUnreadable, "too much"),
        ("os.kill(os.getpid(), signal.SIGKILL)", NotExamined, "was killed"),
    ],
)
async def test_a_process_that_breaks_down_ends_the_look(
    server: MediaServer,
    prober: Prober,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    raised: type[Exception],
    said: str,
) -> None:
    stand_in(monkeypatch, tmp_path, program)
    with pytest.raises(raised, match=said):
        await prober.recording(server.serve("video.mp4", video()))
    assert readers("media.demux") == []


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have `program` run in place of the one that reads media."""
    head = "import json, os, signal, socket\nMEMORY, SECONDS = 1 << 25, 1\ndef main(arguments):\n    "
    (folder / "stand_in.py").write_text(head + program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(media.demuxing, "_PROGRAM", "stand_in")


async def test_a_process_that_cannot_begin_is_no_finding(
    server: MediaServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.demuxing, "_PROGRAM", "a_module_that_is_not_there")
    with pytest.raises(NotExamined, match="broke down before it began"):
        await prober.recording(server.serve("video.mp4", video()))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(NotExamined, match="cannot start: No such file"):
        await prober.recording(server.serve("video.mp4", video()))


async def test_the_process_that_reads_hostile_bytes_knows_no_secret_and_can_open_nothing(
    server: MediaServer, prober: Prober, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = """found = {"environment": str(dict(os.environ)), "open": []}
    for opened in (lambda: open("/etc/passwd"), socket.socket, os.pipe):
        try:
            found["open"].append(str(opened()))
        except OSError as error:
            assert error.errno == 24
    answer = json.dumps({"error": json.dumps(found)}).encode()
    os.write(1, b"F" + len(answer).to_bytes(4, "big") + answer)\n"""
    stand_in(monkeypatch, tmp_path, tell)
    monkeypatch.setenv("MANXUE_API_KEY", "sk-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")
    with pytest.raises(MediaUnreadable, match=r'"environment": .*PATH.*"open": \[\]') as told:
        await prober.recording(server.serve("video.mp4", video()))
    assert "secret" not in str(told.value)


# Servers


@pytest.mark.parametrize(
    "how",
    [
        {"ranges": False},
        {"ranges": False, "length": False},
        {"length": False},
        {"wrong_range": "bytes 7-9/10"},
        {"wrong_range": "bytes 0-65535/*"},
        {"wrong_range": "nonsense"},
    ],
    ids=str,
)
async def test_a_server_need_not_know_ranges_or_lengths(
    server: MediaServer, prober: Prober, how: dict[str, Any]
) -> None:
    picture, film = noise("png"), video(padding=100_000)
    facts = await prober.image(server.serve("odd.png", picture, **how))
    assert (facts.header.width, facts.header.height) == (1000, 900)
    assert facts.bytes == len(picture)
    assert (await prober.recording(server.serve("odd.mp4", film, **how))).duration == pytest.approx(5, abs=0.05)
    if "length" not in how or "ranges" not in how:  # otherwise only reading to the end tells the length
        assert server.sent["odd.mp4"] < len(film)


@pytest.mark.parametrize("how", [{"ranges": False}, {"ranges": False, "length": False}], ids=str)
async def test_where_the_index_cannot_be_reached_nothing_is_claimed(
    server: MediaServer, prober: Prober, how: dict[str, Any]
) -> None:
    film = video(movflags=ENDS["last"], padding=HUGE)
    with pytest.raises(NotExamined, match="do not suffice"):
        await prober.recording(server.serve("far.mp4", film, **how))
    assert server.sent["far.mp4"] < len(film) // 3


async def test_a_body_without_end_is_a_finding_behind_a_good_header_too(server: MediaServer, prober: Prober) -> None:
    for look, content in ((prober.image, noise("png")), (prober.recording, video(padding=100_000))):
        with pytest.raises(MediaUnreadable, match="does not end"):
            await look(server.serve("endless", content, endless=True, ranges=False))
    assert server.sent["endless"] < 100 * MB
    for name, content in {"a": b"\0" * 65536, "b": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(65536)}.items():
        with pytest.raises((MediaUnreadable, NotExamined)):
            await prober.recording(server.serve(name, content, endless=True, ranges=False))


async def test_a_drip_is_given_up_and_nothing_of_it_goes_on(
    server: MediaServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.probe, "SECONDS", 0.5)
    for look in (prober.image, prober.recording):
        with pytest.raises(MediaUnreadable, match=r"comes too slowly: only \d+ bytes came"):
            await look(server.serve("drip", image("png") + video(), pause=0.05))
    await nothing_goes_on(server)


async def test_a_look_that_is_cancelled_leaves_no_process_and_no_connection(
    server: MediaServer, prober: Prober
) -> None:
    film = video(movflags=ENDS["last"], padding=HUGE)
    look = asyncio.create_task(prober.recording(server.serve("slow.mp4", film)))
    async with asyncio.timeout(10):
        while not readers("media.demux"):
            await asyncio.sleep(0.001)
    server.serve("slow.mp4", film, pause=0.05)  # from the next range on
    await asyncio.sleep(0.2)
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    await nothing_goes_on(server)


async def nothing_goes_on(server: MediaServer) -> None:
    assert readers("media.demux") == []
    async with asyncio.timeout(5):
        while server.open:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (404, MediaUnreadable),
        (403, MediaUnreadable),
        (410, MediaUnreadable),
        (429, FetchFailed),
        (408, FetchFailed),
        (500, FetchFailed),
        (503, FetchFailed),
        (206, FetchFailed),
        (304, FetchFailed),
    ],
)
async def test_refusals_are_findings_and_troubles_are_not(
    server: MediaServer, prober: Prober, status: int, raised: type[Exception]
) -> None:
    url = server.serve("status.png", image("png"), status=status)
    for look in (prober.image, prober.recording):
        with pytest.raises(raised, match=str(status)):
            await look(url)


async def test_a_redirect_to_a_private_address_is_refused(server: MediaServer, prober: Prober) -> None:
    target = {"Location": server.url.replace("127.0.0.1", "127.0.0.2") + "/secret.png"}
    with pytest.raises(FetchRefused, match="not public"):
        await prober.image(server.serve("away.png", status=302, headers=target))
    assert "secret.png" not in server.requests


async def test_a_compressed_answer_is_not_unpacked(server: MediaServer, prober: Prober) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(AnswerUnusable, match="compressed"):
        await prober.image(server.serve("bomb", bomb, headers={"Content-Encoding": "gzip"}))


async def test_a_host_that_is_not_there_is_a_failed_fetch(prober: Prober) -> None:
    for url in ("http://127.0.0.1:1/a.png", "http://media.invalid/a.png"):
        with pytest.raises(FetchFailed):
            await prober.image(url)


MEASURE = """
import asyncio, ipaddress, resource
from media.confinement import end_fork_servers
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.probe import Prober
from tests.support.media_server import MediaServer
from tests.unit.test_probe import HOSTILE, mp4_bomb

def peak(who):
    return resource.getrusage(who).ru_maxrss // 1024

async def look(prober, url):
    for one in (prober.recording, prober.image):
        try:
            await one(url)
        except Exception:
            pass

async def main():
    server = MediaServer().start()
    hostile = [server.serve(f"b{n}", mp4_bomb(n)) for n in (500_000, 2_000_000, 80_000_000)]
    hostile += [server.serve(f"h{i}", content) for i, content in enumerate(HOSTILE.values())]
    hostile += [server.serve(f"e{i}", c * 40, endless=True, ranges=False) for i, c in enumerate(HOSTILE.values()) if c]
    async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")])) as fetcher:
        before = peak(resource.RUSAGE_SELF)
        await asyncio.gather(*(look(Prober(fetcher), url) for url in hostile))
        end_fork_servers()  # children of children count when they have ended
        print(peak(resource.RUSAGE_SELF) - before, peak(resource.RUSAGE_CHILDREN) - before)

asyncio.run(main())
"""


def test_hostile_media_take_little_memory() -> None:
    command = [sys.executable, "-c", MEASURE]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    ours, process = map(int, re.findall(r"-?\d+", out))
    assert ours < 40, out  # MiB, a dozen and more at once
    assert process < 40, out


# Rules


class Scripted(Prober):
    """Looks that are known beforehand: by the last word of the URL."""

    def __init__(self, **looks: ImageFacts | RecordingFacts | Exception) -> None:
        self.looks, self.asked = looks, list[str]()

    async def _answer(self, url: str) -> ImageFacts | RecordingFacts:
        self.asked.append(url)
        look = self.looks[url.rsplit("/", 1)[-1]]
        if isinstance(look, Exception):
            raise look
        return look

    async def image(self, url: str) -> ImageFacts:
        facts = await self._answer(url)
        assert isinstance(facts, ImageFacts)
        return facts

    async def recording(self, url: str) -> RecordingFacts:
        facts = await self._answer(url)
        assert isinstance(facts, RecordingFacts)
        return facts


def picture(width: int, height: int, size: int = 1000, animated: bool = False) -> ImageFacts:
    return ImageFacts(ImageHeader("gif", width, height, animated), size)


def film(seconds: float | None, size: int | None = 1000, container: str = "mp4") -> RecordingFacts:
    return RecordingFacts(container, seconds, "h264", "aac", 320, 240, size)


def sound(seconds: float | None, size: int | None = 1000, container: str = "mp3") -> RecordingFacts:
    return RecordingFacts(container, seconds, None, "mp3float", None, None, size)


async def said(look: ImageFacts | RecordingFacts | Exception, kind: str) -> list[Finding]:
    medium = Medium("x", kind, "https://h/it")  # type: ignore[arg-type]
    return await check_media(Scripted(it=look), [medium])


@pytest.mark.parametrize(
    ("kind", "look", "definite", "words"),
    [
        ("image", picture(1000, 1000), False, []),
        ("image", picture(2500, 1000), False, []),
        ("image", picture(3000, 1000), False, ["3000x1000", "3.00", "0.4 to 2.5", "crop it to 2500x1000"]),
        ("image", picture(1000, 3000), False, ["0.33", "crop it to 1000x2500"]),
        ("image", picture(200, 200), False, ["200x200", "300 to 6000", "enlarge it to 300x300"]),
        ("image", picture(200, 301), False, ["enlarge it to 300x452"]),
        ("image", picture(6001, 6000), False, ["6001x6000", "reduce it to 6000x5999"]),
        ("image", picture(30_000, 10_000), True, ["30000x10000", "200000000", "reduce it to 6000x2400"]),
        ("image", picture(500, 500, animated=True), False, ["animated gif", "still"]),
        ("image", picture(500, 500, 31 * MB), False, ["31 MB", "30 MB"]),
        ("video", film(2.0), False, []),
        ("video", film(15.06), False, []),  # what the provider itself calls 15 s
        ("video", film(1.5), False, ["1.5 s", "2 to 15 s"]),
        ("video", film(17.1), True, ["lasts 17.1 s; together 17.1 s of at most 15 s; shorten by 2.1 s"]),
        ("video", film(None), False, ["does not say how long"]),
        ("video", film(5, 51 * MB), False, ["51 MB", "50 MB"]),
        ("video", film(5, None), False, []),
        ("video", film(5, container="avi"), False, ["avi", "mp4 or mov"]),
        ("video", sound(5), True, ["mp3 without video"]),
        ("audio", sound(5), False, []),
        ("audio", sound(5, container="wav"), False, []),
        ("audio", sound(5, container="ogg"), False, ["ogg", "mp3 or wav"]),
        ("audio", sound(1), False, ["1.0 s", "2 to 15 s"]),
        ("audio", sound(5, 16 * MB), False, ["16 MB", "15 MB"]),
        ("image", MediaUnreadable("is an HTML page, not an image"), True, ["HTML page", "jpeg, png, webp, bmp"]),
        ("image", FetchRefused("h has the address 10.0.0.1"), True, ["10.0.0.1"]),
        ("video", AnswerUnusable("more than 5 redirects"), True, ["5 redirects", "another server"]),
        ("image", FetchFailed("h cannot be resolved"), False, ["cannot be resolved", "from this worker"]),
        ("video", NotExamined("could not be looked at within 20 s"), False, ["20 s", "from this worker"]),
        ("video", NotExamined("its server knows no ranges", "move the index"), False, ["no ranges; move the index"]),
        ("video", MediaUnreadable("is cut off", "upload it again"), True, ["is cut off; upload it again"]),
    ],
)
async def test_each_finding_says_what_was_found_the_limit_and_what_would_mend_it(
    kind: str, look: ImageFacts | RecordingFacts | Exception, definite: bool, words: list[str]
) -> None:
    findings = await said(look, kind)
    assert [finding.definite for finding in findings] == [definite] * bool(words)
    for word in words:
        assert word in findings[0].problem.hint


async def test_all_findings_come_in_the_order_of_the_fields_and_totals_at_the_longest() -> None:
    prober = Scripted(
        a=FetchFailed("down"), b=film(7.7, 300 * MB), c=film(9.4, 250 * MB), d=sound(14), e=sound(14), f=sound(14)
    )
    media = [
        Medium("image", "image", "https://h/a?sig=secret"),
        *(Medium(f"referenceVideos[{i}]", "video", f"https://h/{name}") for i, name in enumerate("bc")),
        *(Medium(f"referenceAudios[{i}]", "audio", f"https://h/{name}") for i, name in enumerate("def")),
    ]
    prober.looks["a?sig=secret"] = prober.looks["a"]
    findings = await check_media(prober, media)
    assert [(f.problem.field, f.problem.rule, f.definite) for f in findings] == [
        ("image", "unreachable", False),
        ("referenceVideos[0]", "range", True),
        ("referenceVideos[0]", "recommended", False),
        ("referenceVideos[1]", "range", True),
        ("referenceVideos[1]", "recommended", False),
        ("referenceAudios[0]", "range", True),
    ]
    hints = [finding.problem.hint for finding in findings]
    assert hints[1] == "has 300 MB; together 550 MB of at most 500 MB; compress by 50 MB"
    assert hints[3] == "lasts 9.4 s; together 17.1 s of at most 15 s; shorten by 2.1 s"
    assert (
        hints[5]
        == "lasts 14.0 s; together 42.0 s of at most 15 s; shorten them ("
        + ", ".join(f"referenceAudios[{i}] 14.0 s" for i in range(3))
        + ") by 27.0 s"
    )
    assert "secret" not in str(findings)


async def test_equal_references_are_looked_at_once_and_assets_never() -> None:
    prober = Scripted(a=picture(100, 100), b=film(8))
    media = [
        Medium("first_image", "image", "https://h/a"),
        Medium("last_image", "image", "https://h/a"),
        Medium("referenceImages[0]", "image", "asset://a"),
        Medium("referenceVideos[0]", "video", "https://h/b"),
        Medium("referenceVideos[1]", "video", "https://h/b"),
    ]
    findings = await check_media(prober, media)
    assert sorted(prober.asked) == ["https://h/a", "https://h/b"]
    assert [finding.problem.field for finding in findings] == ["first_image", "last_image", "referenceVideos[0]"]
    assert "together 16.0 s" in findings[2].problem.hint
