"""Result files behind temporary URLs, with the parts of HTTP that a resumed download needs (RFC 9110, 13 and 14)."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Scope

from emulator.config import EmulatorConfig
from emulator.faults import Faults
from emulator.ledger import Ledger, Served
from emulator.misbehaviour import cut, misanswer
from emulator.tasks import Task, Tasks

FILE_PATH = "/files/{task_id}.mp4"

_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d+)-(?P<last>\d*)|-(?P<suffix>\d+))\s*", re.IGNORECASE)
_BLOCK = 64 * 1024
_SURPLUS = 1000
"""Bytes that the fault `wrong-length` announces and does not send."""
_DRIP, _DRIP_PAUSE = 16, 1.0
"""Bytes, and the seconds after each."""

_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncate": lambda content: content[: len(content) * 2 // 3],
    "empty": lambda content: b"",
    "html": lambda content: b"<html><body>This file has moved.</body></html>",
    "corrupt": lambda content: bytes(len(content) // 2) + content[len(content) // 2 :],
}
"""Bodies that are sent, whole and with their true length, instead of the file."""


class UnsatisfiableRange(Exception):
    """No byte of the file is in the range."""


class Files:
    """Makes the temporary URLs and serves what they lead to."""

    def __init__(self, config: EmulatorConfig, tasks: Tasks, ledger: Ledger, faults: Faults) -> None:
        self._faults = faults
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
        if int(expires) / 1000 - self._config.url_ttl < task.urls_since:
            return _denied("the URL has expired")
        fault = self._faults.next("file", task.id, task.order.prompt) if request.method == "GET" else None
        return await self._faulty(request, task, fault or "")

    async def _faulty(self, request: Request, task: Task, fault: str) -> Response:
        if bad := misanswer(fault):
            return bad
        if fault == "expire":
            task.urls_since = time.time()
        if fault == "changed":
            await self._tasks.replace_content(task)
        if fault in _DAMAGE:
            content = await asyncio.to_thread(task.file.read_bytes)
            return Response(_DAMAGE[fault](content), media_type="text/html" if fault == "html" else "video/mp4")
        return await self._content(request, task, str(task.etag), fault)

    async def _content(self, request: Request, task: Task, etag: str, fault: str) -> Response:
        facts = await asyncio.to_thread(task.file.stat)
        modified = formatdate(facts.st_mtime, usegmt=True)
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": modified}
        wanted = request.headers.get("range") if request.method == "GET" and fault != "no-range" else None
        if request.headers.get("if-range", etag) not in (etag, modified):
            wanted = None
        try:
            part = parse_range(wanted, facts.st_size)
        except UnsatisfiableRange:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{facts.st_size}"})
        window = part or range(facts.st_size)
        headers["Content-Length"] = str(len(window) + (_SURPLUS if fault == "wrong-length" else 0))
        if part:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{facts.st_size}"
        status = 206 if part else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type="video/mp4")
        served = Served(task.id, window.start)
        self._ledger.files.append(served)
        body = _read(task.file, window, served)
        if fault in ("cut", "expire", "wrong-length"):
            body = _cut_off(body, served, len(window) if fault == "wrong-length" else len(window) // 2, request.scope)
        elif fault == "drip":
            body = _dripping(body)
        return StreamingResponse(body, status, headers, "video/mp4")

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


async def _cut_off(body: AsyncIterator[bytes], served: Served, after: int, scope: Scope) -> AsyncIterator[bytes]:
    """The body until so many bytes were sent; then the connection closes."""
    async for block in body:
        yield block[: after - served.bytes]
        if served.bytes + len(block) >= after:
            served.bytes = after
            break
    await asyncio.sleep(0.05)  # what was sent shall arrive
    await cut(scope)


async def _dripping(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for block in body:
        for start in range(0, len(block), _DRIP):
            yield block[start : start + _DRIP]
            await asyncio.sleep(_DRIP_PAUSE)


def _block(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _denied(reason: str) -> Response:
    return JSONResponse({"code": 403, "msg": reason}, 403)
