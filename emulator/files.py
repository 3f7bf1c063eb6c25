"""Result files behind temporary URLs, with the parts of HTTP that a resumed download needs (RFC 9110, 13 and 14)."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from emulator.config import EmulatorConfig
from emulator.ledger import Ledger, Served
from emulator.tasks import Task, Tasks

FILE_PATH = "/files/{task_id}.mp4"

_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d+)-(?P<last>\d*)|-(?P<suffix>\d+))\s*", re.IGNORECASE)
_BLOCK = 256 * 1024


class UnsatisfiableRange(Exception):
    """No byte of the file is in the range."""


class Files:
    """Makes the temporary URLs and serves what they lead to."""

    def __init__(self, config: EmulatorConfig, tasks: Tasks, ledger: Ledger) -> None:
        self._config = config
        self._tasks = tasks
        self._ledger = ledger
        self._secret = secrets.token_bytes(32)

    def temporary_url(self, task: Task, base_url: str) -> str:
        """A URL that nobody was given before, good for the configured time."""
        expires, nonce = str(int((time.time() + self._config.url_ttl) * 1000)), secrets.token_hex(8)
        query = {"expires": expires, "nonce": nonce, "signature": self._sign(task.id, expires, nonce)}
        return f"{base_url.rstrip('/')}{FILE_PATH.format(task_id=task.id)}?{urlencode(query)}"

    async def serve(self, request: Request) -> Response:
        """Answer GET and HEAD."""
        task_id, query = request.path_params["task_id"], request.query_params
        expires, nonce = query.get("expires", ""), query.get("nonce", "")
        signature = self._sign(task_id, expires, nonce)
        if not hmac.compare_digest(signature.encode(), query.get("signature", "").encode()):
            return _denied("SignatureDoesNotMatch")
        if time.time() * 1000 >= int(expires):
            return _denied("the URL has expired")
        if "authorization" in request.headers:
            # Storage behind signed URLs takes one way of authorisation only, and an API key has no business here.
            return JSONResponse({"code": 400, "msg": "only one auth mechanism is allowed"}, 400)
        task = self._tasks.find(task_id)
        if task is None or task.etag is None:
            return JSONResponse({"code": 404, "msg": "no such file"}, 404)
        return await self._content(request, task, task.etag)

    async def _content(self, request: Request, task: Task, etag: str) -> Response:
        facts = await asyncio.to_thread(task.file.stat)
        modified = formatdate(facts.st_mtime, usegmt=True)
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": modified}
        wanted = request.headers.get("range") if request.method == "GET" else None
        if request.headers.get("if-range", etag) not in (etag, modified):
            wanted = None
        try:
            part = parse_range(wanted, facts.st_size)
        except UnsatisfiableRange:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{facts.st_size}"})
        window = part or range(facts.st_size)
        headers["Content-Length"] = str(len(window))
        if part:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{facts.st_size}"
        status = 206 if part else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type="video/mp4")
        served = Served(task.id, window.start)
        self._ledger.files.append(served)
        return StreamingResponse(_read(task.file, window, served), status, headers, "video/mp4")

    def _sign(self, task_id: str, expires: str, nonce: str) -> str:
        return hmac.new(self._secret, f"{task_id}\n{expires}\n{nonce}".encode(), hashlib.sha256).hexdigest()


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes that a `Range` header asks for, of a file of `size` bytes; None for all of it.

    A malformed header counts as none, and so does one with several ranges, as a server may choose. Raises
    UnsatisfiableRange.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None
    if suffix := match["suffix"]:
        first, last = max(0, size - int(suffix)), size - 1
    else:
        first, last = int(match["first"]), int(match["last"] or size - 1)
        if match["last"] and last < first:
            return None
    if first >= size:
        raise UnsatisfiableRange
    return range(first, min(last + 1, size))


async def _read(path: Path, window: range, served: Served) -> AsyncIterator[bytes]:
    for start in window[::_BLOCK]:
        block = await asyncio.to_thread(_block, path, start, min(_BLOCK, window.stop - start))
        yield block
        served.bytes += len(block)


def _block(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _denied(reason: str) -> Response:
    return JSONResponse({"code": 403, "msg": reason}, 403)
