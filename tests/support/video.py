"""Small real videos, made once per size."""

from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.video.frame import PictureType

_RATE = 24
"""Frames per second."""


@cache
def mp4(width: int, height: int, seconds: float = 5) -> bytes:
    """An H.264 MP4 of a picture that is brighter each second, 24 frames per second, moov first."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=_RATE)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
            picture = b""
            for number in range(int(_RATE * seconds)):
                if number % _RATE == 0:  # a key frame can be shown again and again, and is encoded once
                    frame = av.VideoFrame(width, height, "yuv420p")
                    for plane in frame.planes:
                        plane.update(bytes([number % 256]) * plane.buffer_size)
                    frame.pict_type = PictureType.I
                    picture = b"".join(map(bytes, stream.encode(frame)))
                packet = av.Packet(picture)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, _RATE), True
                packet.pts = packet.dts = number
                packet.duration = 1
                container.mux(packet)
        return path.read_bytes()
