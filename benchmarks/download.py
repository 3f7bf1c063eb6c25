"""How fast a finished video comes and is hashed, and what that takes of memory and of the event loop."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.file_server import CONNECTIONS, LIMIT, large_video, nginx
from benchmarks.machine import missing
from benchmarks.picture import bars
from benchmarks.section import Section, table

GIB = 1024**3
_OURS = "ours, hashed"
_OPEN, _LIMITED = 0.7, 1.0
"""Of curl's throughput on the open server; of aria2c's without checksum on the limited one."""
_LIMITED_ROUNDS = 2
"""Each takes two thirds of a minute, with 1 GiB, and they differ little."""
_MOST_GROWN, _MOST_GAP = 64 * 1024**2, 0.05

Way = Callable[[str, Path], float]
"""Downloads a URL to a path in so many seconds."""


def run() -> Section:
    """With 1 GiB."""
    return _run("download", GIB, rounds=3)


def run_large() -> Section:
    """With 4 GiB."""
    return _run("download_4g", 4 * GIB, rounds=2)


def _run(name: str, size: int, rounds: int) -> Section:
    if absent := missing("nginx", "curl"):
        return Section(f"Not measured: {', '.join(absent)} cannot be found.")
    shm = Path("/dev/shm")  # noqa: S108 - only a directory of its own is made there
    place = shm if shm.is_dir() and shutil.disk_usage(shm).free > 4 * size else None
    with tempfile.TemporaryDirectory(dir=place) as made:
        folder = Path(made)
        (folder / "files").mkdir()
        (folder / "files" / "small").write_bytes(b"{}")
        video = folder / "files" / "video.mp4"
        large_video(video, size)
        with video.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with nginx(folder) as (fast, slow):
            return _measured(name, folder, (fast, slow), sha256, rounds)


def _measured(name: str, folder: Path, urls: tuple[str, str], sha256: str, rounds: int) -> Section:
    ours: list[dict[str, Any]] = []
    others = _others(sha256)

    def we(url: str, path: Path) -> float:
        told = _ourselves(url, f"{urls[0]}/small", path)
        assert told["sha256"] == sha256
        ours.append(told)
        return float(told["seconds"])

    target = folder / "target"
    idle = _idle(f"{urls[0]}/small", lambda: others["curl"](f"{urls[0]}/video.mp4", target))
    on_open = _rounds({**others, _OURS: we}, f"{urls[0]}/video.mp4", target, rounds)
    limited = {way: run for way, run in others.items() if way.startswith("aria2c")}
    on_limited = _rounds({**limited, _OURS: we}, f"{urls[1]}/video.mp4", target, _LIMITED_ROUNDS)
    return _section(name, on_open, on_limited, ours, idle)


def _others(sha256: str) -> dict[str, Way]:
    def told(*command: str) -> Way:
        def way(url: str, path: Path) -> float:
            begun = time.perf_counter()
            subprocess.run(["sh", "-c", " ".join(command), "sh", url, path, path.parent, path.name], check=True)
            return time.perf_counter() - begun

        return way

    ways = {
        "curl": told('curl -sSf -o "$2" "$1"'),
        "curl, then sha256sum": told('curl -sSf -o "$2" "$1" && sha256sum "$2" > /dev/null'),
    }
    if not missing("aria2c"):
        aria2c = 'aria2c --no-conf -q -x4 -s4 --file-allocation=none --allow-overwrite=true -d "$3" -o "$4"'
        ways["aria2c -x4"] = told(f'{aria2c} "$1"')
        ways["aria2c -x4, checksum"] = told(f'{aria2c} --checksum=sha-256={sha256} "$1"')
    return ways


def _ourselves(url: str, small: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.downloading", url, small, str(path), "check"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def _idle(small: str, meanwhile: Callable[[], float]) -> dict[str, Any]:
    """What our process tells of its event loop when others download and it does nothing."""
    command = [sys.executable, "-m", "benchmarks.downloading", "idle", small, "", ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        for _ in range(2):
            meanwhile()
        return dict(json.loads(process.communicate()[0]))


def _rounds(ways: dict[str, Way], url: str, path: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round. The ways take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds[name].append(ways[name](url, path))
            path.unlink(missing_ok=True)
    return seconds


def _ratios(seconds: dict[str, list[float]], to: str) -> dict[str, float]:
    """Throughput of each way as a ratio to another's, the median over the rounds."""
    return {
        name: median(theirs / own for own, theirs in zip(taken, seconds[to], strict=True))
        for name, taken in seconds.items()
    }


def _rows(seconds: dict[str, list[float]], *ratios: dict[str, float]) -> list[list[str]]:
    return [[name, f"{median(taken):.2f}", *(f"{r[name]:.2f}" for r in ratios)] for name, taken in seconds.items()]


def _section(
    name: str,
    on_open: dict[str, list[float]],
    on_limited: dict[str, list[float]],
    ours: list[dict[str, Any]],
    idle: dict[str, Any],
) -> Section:
    to_curl = _ratios(on_open, "curl")
    mine = to_curl[_OURS]
    grown, gap = max(one["grown"] for one in ours), max(one["gap"] for one in ours)
    poll, checking = median(one["poll"] for one in ours), median(one["checked"] - one["seconds"] for one in ours)
    reached = {
        f"{_OPEN} of curl's throughput": mine >= _OPEN,
        "ahead of the others that hash": all(
            mine > ratio for way, ratio in to_curl.items() if "sha256sum" in way or "checksum" in way
        ),
        f"memory grows by less than {_MOST_GROWN >> 20} MiB": grown < _MOST_GROWN,
        f"no gap above {_MOST_GAP * 1e3:.0f} ms, or above the idle loop's": gap <= max(_MOST_GAP, idle["gap"]),
    }
    size = "4 GiB" if name.endswith("4g") else "1 GiB"
    parts = [
        f"""\
One video of {size} from a local nginx, in {len(on_open["curl"])} rounds in which the ways take turns; ratios of
throughput are medians over the rounds. All write to the same place: a file system in memory, where there is room in it.
Ours is the worker's own code in a process that is up: GET, guard, partial file with notes to resume from, SHA-256,
`fsync`. Of the others the start of a program is counted, which takes milliseconds. The video is a real MP4; checking it
to the last packet, which the others do not do, took {checking:.2f} s more.

{table(["Open server", "seconds", "of curl's throughput"], _rows(on_open, to_curl))}

{bars(name, "Open server", "of curl's throughput", to_curl, reach=_OPEN)}
"""
    ]
    if "aria2c -x4" in on_limited:
        to_aria2c = _ratios(on_limited, "aria2c -x4")
        reached["aria2c's throughput on the limited server"] = to_aria2c[_OURS] >= _LIMITED
        parts.append(f"""\
The limited server sends {LIMIT} MiB/s on each of at most {CONNECTIONS} connections, and refuses one more; nginx gives
each request its first second's share at once. {_LIMITED_ROUNDS} rounds.

{table(["Limited server", "seconds", "of aria2c's throughput"], _rows(on_limited, to_aria2c))}

{bars(f"{name}-limited", "Limited server", "of aria2c's throughput", to_aria2c, reach=_LIMITED)}
""")
    else:
        parts.append("aria2c cannot be found: neither it nor the limited server was measured.\n")
    heads = ["Our process", "downloads, the worst of all", "idle, while curl downloads"]
    rows = [
        ["memory grows by (PSS), MiB", f"{grown / 2**20:.0f}", f"{idle['grown'] / 2**20:.0f}"],
        ["longest gap of a 5 ms tick on the event loop, ms", f"{gap * 1e3:.0f}", f"{idle['gap'] * 1e3:.0f}"],
        ["a small GET on it, median, ms", f"{poll * 1e3:.1f}", f"{idle['poll'] * 1e3:.1f}"],
    ]
    parts.append(table(heads, rows))
    short = [f"{name}: {what}" for what, is_so in reached.items() if not is_so]
    parts.append(f"\nTo reach: {'; '.join(reached)}. {'Missed: ' + '; '.join(short) if short else 'All reached'}.")
    return Section("\n".join(parts), short)
