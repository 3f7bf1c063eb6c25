"""What it costs to judge the media of a request that has all it may have, where they lie: bytes and seconds."""

import asyncio
import ipaddress
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal
from urllib.parse import urlsplit

from PIL import Image

from activities.check_media import check_media
from benchmarks.machine import missing
from benchmarks.media_host import MediaHost, media_host
from benchmarks.picture import bars
from benchmarks.section import Section, table
from manxue.checked_request import Medium
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.probe import Prober
from tests.support.media_server import audio, video

_ROUNDS = 5
_DISTANCES = {"near": 0.0, "30 ms away": 0.03}
_VIDEO_SHARE = 0.02
MB = 1_000_000
OURS, _FFPROBE = "ours", "ffprobe on the URLs, all at once"
_PADDING = 330_000
"""Bytes more in each of a video's 120 frames."""

Judge = Callable[[list[str]], None]
"""Learns of each URL what a check needs."""
Figures = tuple[float, ...]
"""Seconds, requests, bytes of videos, bytes of others, seconds by those of ours."""


def run() -> Section:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder)
        large = sum(path.stat().st_size for path in folder.iterdir() if _kind(path.name) == "video")
        rows: list[list[str]] = []
        pictures: list[str] = []
        short: list[str] = []
        for place, distance in _DISTANCES.items():
            with media_host(folder, distance) as host:
                measured = _measured(host, folder, _ways())
            for way, (seconds, requests, videos, others, share) in measured.items():
                cells = [
                    f"{seconds:.2f}",
                    f"{share:.2f}",
                    f"{requests:.0f}",
                    f"{videos / MB:.2f}",
                    f"{others / MB:.2f}",
                ]
                rows.append([place if way == OURS else "", way, *cells])
            seconds_of = {way: figures[0] for way, figures in measured.items()}
            pictures.append(bars(f"probing-{len(pictures)}", f"Judging 15 media, {place}", "seconds", seconds_of))
            short += _short(place, measured, large)
    heads = ["Server", "way", "seconds", "to ours", "requests", "videos, MB", "others, MB"]
    return Section("\n\n".join([_told(large), table(heads, rows, 2), *pictures]), short)


def _told(large: int) -> str:
    gone = missing("ffprobe", "curl")
    lacking = f"\nNot on this machine, and so left out: {', '.join(gone)}." if gone else ""
    return f"""\
Nine images of 1 to 4 MB, three videos of {large / 3 / MB:.0f} MB (mp4 with its index at the front, mp4 and mov with it
at the end), two mp3, one wav: all that a request can have, on a server of this machine (simulated) that counts the
bytes the system takes from it. "30 ms away" is simulated by a pause before each answer, and another one for each new
connection. *Ours* is what a worker does (`activities/check_media.py`, the guard on), its child processes included; all
ways that ask "all at once" begin with all 15. Medians of {_ROUNDS} alternating rounds; "to ours" is the median ratio of
seconds within a round. To reach: {_VIDEO_SHARE:.0%} of the bytes of a full download for the videos, and no slower than
ffprobe (all at once), in both places.{lacking}"""


def _short(place: str, measured: dict[str, Figures], large: int) -> list[str]:
    short = []
    if (share := measured[OURS][2] / large) > _VIDEO_SHARE:
        short.append(f"probing, {place}: {share:.1%} of the bytes of the videos, more than {_VIDEO_SHARE:.0%}")
    if _FFPROBE in measured and (ratio := measured[_FFPROBE][4]) < 1:
        short.append(f"probing, {place}: ffprobe takes {ratio:.2f} of our time")
    return short


def _make(folder: Path) -> None:
    """Nine images of megabytes, three videos of 40 MB and three audios, at most 15 s together."""
    for number, (kind, size) in enumerate([("jpeg", 2400), ("png", 1200), ("webp", 1600)] * 3):
        noise = Image.effect_noise((size + 8 * number, size), 80)
        Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(folder / f"image{number}.{kind}", kind)
    (folder / "front.mp4").write_bytes(video("front.mp4", 5, "+faststart", _PADDING))
    (folder / "end.mp4").write_bytes(video("end.mp4", 5, "+use_metadata_tags", _PADDING))
    (folder / "end.mov").write_bytes(video("end.mov", 5, "+use_metadata_tags", _PADDING))
    (folder / "one.mp3").write_bytes(audio("mp3", "libmp3lame", 5))
    (folder / "two.mp3").write_bytes(audio("mp3", "libmp3lame", 4))
    (folder / "three.wav").write_bytes(audio("wav", "pcm_s16le", 5))


def _ours(urls: list[str]) -> None:
    asyncio.run(_checked(urls))


async def _checked(urls: list[str]) -> None:
    media = [Medium(f"media.{number}", _kind(url), url) for number, url in enumerate(urls)]
    async with Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.0/8")])) as fetcher:
        findings = await check_media(Prober(fetcher), media)
    assert not findings, findings


def _kind(url: str) -> Literal["image", "video", "audio"]:
    match url.rpartition(".")[2]:
        case "mp4" | "mov":
            return "video"
        case "mp3" | "wav":
            return "audio"
    return "image"


def _ffprobe(places: list[str]) -> None:
    show = ["-v", "error", "-show_format", "-show_streams", "-of", "json"]
    processes = [subprocess.Popen(["ffprobe", *show, place], stdout=subprocess.DEVNULL) for place in places]
    ends = [process.wait() for process in processes]
    assert not any(ends)


def _ffprobe_in_turn(places: list[str]) -> None:
    for place in places:
        _ffprobe([place])


def _download(urls: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        files = [f"{name}/{Path(urlsplit(url).path).name}" for url in urls]
        pairs = [part for url, file in zip(urls, files, strict=True) for part in ("-o", file, url)]
        subprocess.run(["curl", "-sSf", "--no-progress-meter", "--parallel", *pairs], check=True)
        _ffprobe(files)


def _ways() -> dict[str, Judge]:
    ways: dict[str, Judge] = {OURS: _ours}
    if not missing("ffprobe"):
        ways |= {_FFPROBE: _ffprobe, "ffprobe on the URLs, in turn": _ffprobe_in_turn}
    if not missing("ffprobe", "curl"):
        ways["curl, all at once, then ffprobe"] = _download
    return ways


def _measured(host: MediaHost, folder: Path, ways: dict[str, Judge]) -> dict[str, Figures]:
    urls = sorted(f"{host.url}/{path.name}" for path in folder.iterdir())
    taken: dict[str, list[Figures]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        ours = 0.0
        for way, judge in ways.items():
            host.sent()
            begun = perf_counter()
            judge(urls)
            seconds, sent = perf_counter() - begun, host.sent()
            ours = ours or seconds
            requests = sent.pop("")
            videos = sum(count for name, count in sent.items() if _kind(name) == "video")
            taken[way].append((seconds, requests, videos, sum(sent.values()) - videos, seconds / ours))
    return {way: tuple(median(column) for column in zip(*rounds, strict=True)) for way, rounds in taken.items()}
