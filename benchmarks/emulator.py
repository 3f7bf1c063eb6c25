"""How fast the emulator makes its videos: its own renderer beside ffmpeg on the command line."""

import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.machine import missing
from benchmarks.picture import bars
from benchmarks.section import Section, table
from emulator.render import FRAME_RATE, frame_size, render
from manxue.vocabulary import DEFAULT_RATIO, MODELS, VIDEO_MODELS, resolution

_ROUNDS = 2
_SECONDS = 5
_WITHIN = 1.2
"""Times the seconds of ffmpeg."""
_LONGEST, _LONGEST_WITHIN = 15, 20.0
"""Seconds of the longest video in 4K, and for making it."""
_PROMPT = "A paper boat on a river at dawn"


def run() -> Section:
    """Measure."""
    has_ffmpeg = not missing("ffmpeg")
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "video.mp4"
        for _ in range(_ROUNDS):
            for model in (*MODELS, *VIDEO_MODELS):
                theirs = _ffmpeg(file, model) if has_ffmpeg else 0.0
                taken.setdefault(resolution(model), []).append((_ours(file, model, _SECONDS), theirs))
        longest = _ours(file, next(model for model in MODELS if resolution(model) == "4k"), _LONGEST)
    rows, seconds, short = [], {}, []
    for size, pairs in taken.items():
        ours, theirs = (median(column) for column in zip(*pairs, strict=True))
        seconds[f"ours, {size}"] = ours
        cells = [size, str(len(pairs)), f"{ours:.2f}"]
        if has_ffmpeg:
            ratio = median(one / other for one, other in pairs)
            seconds[f"ffmpeg, {size}"] = theirs
            cells += [f"{theirs:.2f}", f"**{ratio:.2f}**"]
            if ratio > _WITHIN:
                short.append(f"emulator, {size}: {ratio:.2f} times ffmpeg, more than {_WITHIN}")
        rows.append(cells)
    if longest > _LONGEST_WITHIN:
        short.append(f"emulator: {longest:.1f} s for {_LONGEST} s of 4K, more than {_LONGEST_WITHIN:.0f} s")
    picture = bars("emulator", f"Making {_SECONDS} s of video", "seconds", seconds)
    heads = ["Size", "videos", "ours, s", *(["ffmpeg, s", "ours / ffmpeg"] if has_ffmpeg else [])]
    return Section("\n\n".join([_told(longest, has_ffmpeg), table(heads, rows), picture]), short)


def _told(longest: float, has_ffmpeg: bool) -> str:
    lacking = "" if has_ffmpeg else "\nffmpeg is not on this machine, and so left out."
    return f"""\
{_SECONDS} s of video, {DEFAULT_RATIO}, by the {len(MODELS)} models and the {len(VIDEO_MODELS)} `_video_` models, which
decide nothing but the size. Both make H.264 (libx264, ultrafast, a key frame a second, {FRAME_RATE} frames a
second, 4:2:0) and AAC (a tone, mono) in an MP4 with its index at the front. Both draw the same: a picture that stands
still, with a counter of frames and a line that grows. Ours paints them with Pillow within the emulator's process;
ffmpeg takes `gradients`, `drawtext` and `overlay`, and about 0.1 s to start. Medians over pairs, {_ROUNDS} for each
model. To reach: {_WITHIN} times ffmpeg, and {_LONGEST} s of 4K in less than {_LONGEST_WITHIN:.0f} s.
{_LONGEST} s of 4K took **{longest:.1f} s**.{lacking}"""


def _ours(file: Path, model: str, duration: int) -> float:
    begun = perf_counter()
    render(file, model=model, ratio=DEFAULT_RATIO, duration=duration, prompt=_PROMPT, pictures=[])
    return perf_counter() - begun


def _ffmpeg(file: Path, model: str) -> float:
    width, height = frame_size(model, DEFAULT_RATIO)
    count, letter = _SECONDS * FRAME_RATE, height // 16
    counter = f"drawtext=text='%{{n}} / {count}':fontsize={letter}:x={letter}:y=h-{3 * letter}:fontcolor=white:box=1"
    caption = f"drawtext=text='{model} {_PROMPT}':fontsize={height // 24}:x=20:y=20:fontcolor=white"
    graph = (
        f"[0]format=yuv420p,{caption},loop=-1:1:0,setpts=N/{FRAME_RATE}/TB,trim=end_frame={count},{counter}[counted];"
        f"[counted][1]overlay=x='-w+w*n/{count}':y=H-h:shortest=1[video]"
    )
    sources = [
        f"gradients=s={width}x{height}:r={FRAME_RATE}:d={1 / FRAME_RATE}",
        f"color=white:s={width}x{height // 64 // 2 * 2}:r={FRAME_RATE}",
        f"sine=frequency=480:sample_rate=48000:duration={_SECONDS}",
    ]
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    made = ["-c:v", "libx264", "-preset", "ultrafast", "-g", str(FRAME_RATE), "-pix_fmt", "yuv420p", "-c:a", "aac"]
    command = ["ffmpeg", "-y", "-v", "error", *inputs, "-filter_complex", graph, "-map", "[video]", "-map", "2", *made]
    begun = perf_counter()
    subprocess.run([*command, "-movflags", "+faststart", str(file)], check=True, stdin=subprocess.DEVNULL)
    return perf_counter() - begun
