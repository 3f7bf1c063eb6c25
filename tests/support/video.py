"""Small real videos, made once per size."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av


@cache
def mp4(width: int, height: int, seconds: float = 5) -> bytes:
    """An H.264 MP4 of a slowly brightening picture, 24 frames per second, moov first."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"preset": "ultrafast", "g": "24"}
            for number in range(int(24 * seconds)):
                frame = av.VideoFrame(width, height, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([number % 256]) * plane.buffer_size)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()
