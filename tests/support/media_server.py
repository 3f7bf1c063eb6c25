"""A server of media that counts what it sends and misbehaves as it is told, and media to put on it."""

import asyncio
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image

BLOCK = 16 * 1024


@dataclass
class Served:
    """One file, and how it is served."""

    content: bytes = b""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    length: bool = True
    """Whether the server says how long it is."""
    wrong_range: str | None = None
    """A `Content-Range` in place of the right one."""
    endless: bool = False
    """The content again and again."""
    busy: int = 0
    """How many requests for the whole are answered 503 first."""
    pause: float = 0.0
    """Seconds between bytes, one at a time."""


class MediaServer:
    """Listens on 127.0.0.1 in a thread of its own. Only GET is answered."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.sent: Counter[str] = Counter()
        """Name -> bytes of bodies, as far as the system took them."""
        self.requests: dict[str, list[str]] = {}
        """Name -> method and range of each request."""
        self.open = 0
        """Connections that are open."""
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "MediaServer":
        """Listen."""
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def serve(self, name: str, content: bytes = b"", **how: Any) -> str:
        """Put a file there, and return its URL."""
        self.files[name] = Served(content, **how)
        self.sent[name], self.requests[name] = 0, []
        return f"{self.url}/{name}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        self._loop.run_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            name, wanted = target.strip("/").partition("?")[0], headers.get("range", "")
            self.requests.setdefault(name, []).append(f"{method} {wanted}".strip())
            served = self.files.get(name, Served(status=404)) if method == "GET" else Served(status=405)
            await self._send(name, served, wanted, writer)
        writer.close()
        self.open -= 1

    async def _send(self, name: str, served: Served, wanted: str, writer: asyncio.StreamWriter) -> None:
        content, headers, status = served.content, dict(served.headers), served.status or 200
        if served.busy and not wanted:
            served.busy, status = served.busy - 1, 503
        if wanted and served.ranges and not served.status:
            first, last = (int(part or len(content)) for part in wanted.removeprefix("bytes=").split("-"))
            total, content = len(content), content[first : last + 1]
            status = 206 if content else 416
            headers["Content-Range"] = f"bytes {first}-{first + len(content) - 1}/{total}"
            if served.wrong_range:
                headers["Content-Range"] = served.wrong_range
        if served.length and not served.endless:
            headers.setdefault("Content-Length", str(len(content)))
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{key}: {value}" for key, value in headers.items())]
        writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
        size = 1 if served.pause else BLOCK
        while True:
            for at in range(0, len(content), size):
                writer.write(content[at : at + size])
                await writer.drain()
                self.sent[name] += len(content[at : at + size])
                await asyncio.sleep(served.pause)
            if not served.endless:
                return


def image(kind: str = "png", width: int = 640, height: int = 480, **options: Any) -> bytes:
    """A still image, or an animated one with `frames=2`."""
    frames = options.pop("frames", 1)
    pictures = [Image.new("RGB", (width, height), (40 * i, 90, 200)) for i in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    file = BytesIO()
    pictures[0].save(file, kind, **more, **options)
    return file.getvalue()


@cache
def audio(container: str = "mp3", codec: str = "libmp3lame", seconds: float = 3.0) -> bytes:
    """Stereo silence."""
    rate, size, file = 48000, 1024, BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"
        for start in range(0, int(seconds * rate), size):
            frame = av.AudioFrame(format=stream.format.name, layout="stereo", samples=size)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


@cache
def video(name: str = "video.mp4", seconds: float = 5, movflags: str = "+faststart", padding: int = 0) -> bytes:
    """A small H.264 video with one key frame a second; `padding` makes its frames so many bytes larger each."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        options = {"movflags": movflags} if name.endswith(("mp4", "mov")) else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            stream.options = {"preset": "ultrafast", "g": "24"}
            assert isinstance(stream, av.VideoStream)
            for _ in range(round(24 * seconds)):
                frame = av.VideoFrame(320, 240, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([90]) * plane.buffer_size)
                for packet in stream.encode(frame):
                    container.mux(_padded(packet, padding))
            for packet in stream.encode():
                container.mux(_padded(packet, padding))
        return path.read_bytes()


def mp4_bomb(frames: int) -> bytes:
    """700 bytes that make FFmpeg fill 35 bytes of memory for each of `frames`, which it claims to have."""

    def box(kind: bytes, *content: bytes, full: bool = True) -> bytes:
        body = (bytes(4) if full else b"") + b"".join(content)
        return struct.pack(">I", 8 + len(body)) + kind + body

    def words(*numbers: int) -> bytes:
        return struct.pack(f">{len(numbers)}I", *numbers)

    matrix = words(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    codec = bytes(7) + b"\1" + bytes(16) + struct.pack(">HH", 1280, 720) + words(0x480000, 0x480000, 0) + b"\0\1"
    tables = [
        box(b"stsd", words(1), box(b"mp4v", codec, bytes(32), b"\0\x18\xff\xff", full=False)),
        box(b"stts", words(1, frames, 1)),
        box(b"stsc", words(1, 1, frames, 1)),
        box(b"stsz", words(1, frames)),
        box(b"stco", words(1, 40)),
    ]
    media = [
        box(b"mdhd", words(0, 0, 1000, 5000), b"\x55\xc4\0\0"),
        box(b"hdlr", bytes(4), b"vide", bytes(12), b"v\0"),
        box(b"minf", box(b"vmhd", bytes(8)), box(b"stbl", *tables, full=False), full=False),
    ]
    track = box(b"tkhd", words(0, 0, 1, 0, 5000), bytes(16), matrix, words(1280 << 16, 720 << 16))
    movie = box(b"mvhd", words(0, 0, 1000, 5000, 0x10000), b"\1\0", bytes(10), matrix, bytes(24), words(2))
    return box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41", full=False) + box(
        b"moov", movie, box(b"trak", track, box(b"mdia", *media, full=False), full=False), full=False
    )


def _padded(packet: "av.Packet[Any]", padding: int) -> "av.Packet[Any]":
    """The packet with a filler unit of H.264 behind it."""
    if not padding:
        return packet
    filled = av.Packet(bytes(packet) + b"\0\0\0\1\x0c" + b"\xff" * padding + b"\x80")
    filled.stream, filled.pts, filled.dts = packet.stream, packet.pts, packet.dts
    filled.time_base, filled.duration, filled.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
    return filled
