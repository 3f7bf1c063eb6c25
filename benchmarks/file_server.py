"""A local nginx with one large video on it, at full speed and limited per connection; and the video."""

import getpass
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from tests.support.processes import free_port

LIMIT = 20
"""MiB a second of each connection; nginx sends the first second's share at once."""
CONNECTIONS = 5
"""At a time, on the limited one, which is thus limited to 100 MiB/s in all; one more is answered 503."""

_SETTINGS = """\
daemon off; worker_processes 1; user {user}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; limit_conn_zone $server_port zone=all:1m;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{open}; root {folder}/files; }}
  server {{ listen 127.0.0.1:{limited}; root {folder}/files; limit_rate {limit}m; limit_conn all {connections}; }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve `folder/files`; the URLs of the open server and of the limited one."""
    ports = {"open": free_port(), "limited": free_port()}
    settings = folder / "nginx.conf"
    settings.write_text(
        _SETTINGS.format(user=getpass.getuser(), folder=folder, limit=LIMIT, connections=CONNECTIONS, **ports)
    )
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(["nginx", "-c", settings, "-e", folder / "error.log"], stdout=log, stderr=log)
    urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
    try:
        _until_there(f"{urls[0]}/small")
        yield urls[0], urls[1]
    finally:
        process.terminate()
        process.wait()


def _until_there(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("nginx did not start")


def large_video(path: Path, size: int) -> None:
    """An MP4 of 5 s and about `size` bytes: a real H.264 stream, each frame followed by filler that decoders skip."""
    frames = 120
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "24", "bf": "0"}
        filler = b"\0\0\0\1\x0c" + b"\xff" * (size // frames) + b"\x80"
        picture, packets = av.VideoFrame(1280, 720, "yuv420p"), []
        for number in range(frames):
            picture.pts = number
            packets += stream.encode(picture)
        for packet in [*packets, *stream.encode()]:
            filled = av.Packet(bytes(packet) + filler)
            filled.stream, filled.pts, filled.dts = packet.stream, packet.pts, packet.dts
            filled.time_base, filled.duration, filled.is_keyframe = (
                packet.time_base,
                packet.duration,
                packet.is_keyframe,
            )
            container.mux(filled)
