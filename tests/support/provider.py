"""A second, independent stand-in for the provider, which answers exactly what a test tells it to.

It runs in a thread with its own event loop. What a test scripts is looked up by words in the prompt, so that many
runs can share one provider and go on side by side.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import quote

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.patience import PATIENCE
from tests.support.processes import API_KEY, free_port
from tests.support.video import mp4

SIGNATURE = "sig=provider-secret-signature"

_DRIP = 8 * 1024
"""Bytes a second: the worker gives up on less than a quarter of that."""
_PADDING = (4 * 1024 * 1024).to_bytes(4) + b"free" + bytes(4 * 1024 * 1024 - 8)
"""A box of MP4 that players skip."""

Answer = Response | dict[str, Any]


@dataclass
class Task:
    """One accepted create call."""

    id: str
    body: dict[str, Any]
    created: float = field(default_factory=time.monotonic)
    queries: int = 0


class Provider:
    """Fast by default: queued for one query, rendering for one, then completed with a good video."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.creates: list[dict[str, Any]] = []
        self.tasks: dict[str, Task] = {}
        self.uploads: list[dict[str, Any]] = []
        self.look_ups: list[list[str]] = []
        self.files: dict[str, bytes] = {}
        self.on_create: dict[str, Callable[[dict[str, Any]], Answer | None]] = {}
        """Word in the prompt -> the answer; None for the ordinary one. A task is accepted before it is called."""
        self.on_query: dict[str, Callable[[Task], Answer | None]] = {}
        self.on_upload: Callable[[list[str]], Answer] | None = None
        self.asset_states: Callable[[str], str | None] = lambda asset_id: "Active"
        self.hold_create: dict[str, threading.Event] = {}
        """Word in the prompt -> the answer to a create waits for this event, after acceptance."""
        self.media: dict[str, bytes] = {}
        """Name -> the content of `/media/<name>`, wherever users may keep theirs."""
        self.hold_file: dict[str, int] = {}
        """Word in the prompt -> the file stops coming after so many bytes, the connection staying open."""
        self.breaks: dict[str, int] = {}
        """Word in the prompt -> the file is long, and each connection for it breaks after so many bytes."""
        self.drips: dict[str, threading.Event] = {}
        """Word in the prompt -> the file comes just fast enough for minutes, and at full speed after this event."""
        self.ranges: dict[str, list[str | None]] = {}
        """Task id -> the `Range` of each request for its file."""
        self._server: uvicorn.Server
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen."""
        routes = [
            Route("/v1/sd2_manxue/videos", self._create, methods=["POST"]),
            Route("/v1/result/{id:path}", self._query),
            Route("/asset/sd2Manxue/assetUpload", self._upload, methods=["POST"]),
            Route("/asset/sd2Manxue/assetStatus", self._states, methods=["POST"]),
            Route("/files/{id:path}", self._file),
            Route("/media/{name}", self._medium),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), port=self.port, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop listening."""
        for event in self.hold_create.values():
            event.set()
        self._server.should_exit = True
        self._thread.join(5)

    def creates_of(self, word: str) -> list[dict[str, Any]]:
        """The create calls whose prompt has the word."""
        return [body for body in self.creates if word in str(body.get("prompt"))]

    def _run(self) -> None:
        asyncio.run(self._server.serve())

    async def _create(self, request: Request) -> Response:
        if denied := _denied(request):
            return denied
        body = await request.json()
        self.creates.append(body)
        task = Task(f"task-{len(self.creates)}", body)
        self.tasks[task.id] = task
        prompt = str(body.get("prompt"))
        for word, event in list(self.hold_create.items()):  # a test may add one meanwhile
            if word in prompt:
                await asyncio.to_thread(event.wait, 60)
        for word, script in self.on_create.items():
            if word in prompt and (answer := script(body)) is not None:
                return _response(answer)
        answer = {"id": task.id, "object": "video", "created": 1790000000, "model": body.get("model")}
        return JSONResponse({**answer, "status": "queued", "error": None})

    async def _query(self, request: Request) -> Response:
        if denied := _denied(request):
            return denied
        task = self.tasks.get(request.path_params["id"])
        if task is None:
            return JSONResponse({"message": "No handler found for GET"}, 404)
        task.queries += 1
        for word, script in self.on_query.items():
            if word in str(task.body.get("prompt")) and (answer := script(task)) is not None:
                return _response(answer)
        status = ("queued", "processing", "completed")[min(task.queries - 1, 2)]
        return JSONResponse(self.status(task, status))

    def status(self, task: Task, status: str, **more: Any) -> dict[str, Any]:
        """The documented answer to a query."""
        done = status == "completed"
        url = f"{self.url}/files/{quote(task.id, safe='')}?{SIGNATURE}" if done else None
        known = {"id": task.id, "object": "video", "created": 1790000000, "model": task.body.get("model")}
        seconds = task.body.get("duration") if done else None
        return {**known, "status": status, "video_url": url, "actualDuration": seconds, "error": None, **more}

    def moving(self, task: Task) -> dict[str, Any]:
        """Rendering, and at each question so much further that the run is told."""
        return self.status(task, "processing", progress=10 * task.queries % 100)

    async def _upload(self, request: Request) -> Response:
        if denied := _denied(request):
            return denied
        body = await request.json()
        self.uploads.append(body)
        urls = [url for urls in body.values() for url in urls]
        if self.on_upload:
            return _response(self.on_upload(urls))
        return JSONResponse(uploaded(urls))

    async def _states(self, request: Request) -> Response:
        ids = (await request.json())["assetIds"]
        self.look_ups.append(ids)
        states = {asset_id: self.asset_states(asset_id) for asset_id in ids}
        items = [{"assetId": asset_id, "status": state} for asset_id, state in states.items() if state]
        failed = [{"assetId": i, "errorMessage": "look-up failed"} for i, state in states.items() if not state]
        return JSONResponse({"code": "0", "msg": None, "data": {"items": items, "failedItems": failed}})

    async def _file(self, request: Request) -> Response:
        assert "authorization" not in request.headers
        task = self.tasks[request.path_params["id"]]
        content = self.files.get(task.id) or mp4(*size(task.body), task.body["duration"])
        dripping = next((event for word, event in self.drips.items() if word in str(task.body.get("prompt"))), None)
        breaks = next((most for word, most in self.breaks.items() if word in str(task.body.get("prompt"))), None)
        content += _PADDING if dripping or breaks else b""
        wanted = request.headers.get("range")
        self.ranges.setdefault(task.id, []).append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        headers = {"ETag": f'"{task.id}"', "Content-Length": str(len(content) - start)}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stops = next((stop for word, stop in self.hold_file.items() if word in str(task.body.get("prompt"))), None)
        body = _dripping(content[start:], dripping) if dripping else _stopping(content[start:], stops)
        body = _stopping(content[start:][:breaks], None) if breaks else body
        return StreamingResponse(body, 206 if wanted else 200, headers, "video/mp4")

    async def _medium(self, request: Request) -> Response:
        content = self.media.get(request.path_params["name"])
        return Response(content) if content is not None else JSONResponse({"message": "not found"}, 404)

    def image(self, name: str, colour: str) -> str:
        """Put an image of one colour under a name; its URL."""
        file = BytesIO()
        Image.new("RGB", (400, 400), colour).save(file, "PNG")
        self.media[name] = file.getvalue()
        return f"{self.url}/media/{name}"


async def _stopping(content: bytes, stops: int | None) -> AsyncIterator[bytes]:
    yield content[:stops]
    if stops is not None:
        await asyncio.sleep(600)


async def _dripping(content: bytes, full_speed: threading.Event) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _DRIP):
        yield content[start : start + _DRIP]
        if not full_speed.is_set():
            await asyncio.sleep(1)


@contextmanager
def held_create(provider: Provider, word: str) -> Iterator[threading.Event]:
    """The provider accepts, and does not answer before the event."""
    event = provider.hold_create[word] = threading.Event()
    try:
        yield event
    finally:
        event.set()
        del provider.hold_create[word]


async def reached(provider: Provider, word: str) -> None:
    """Wait until the create call has come."""
    async with asyncio.timeout(PATIENCE):
        while not provider.creates_of(word):
            await asyncio.sleep(0.02)


def uploaded(urls: list[str], failed: dict[str, str] | None = None, code: Any = "0") -> dict[str, Any]:
    """The documented answer to an upload: the URLs in `failed` with their reasons, the others accepted."""
    failed = failed or {}
    items = [
        {"assetType": "Image", "originalUrl": url, "assetId": f"asset-{url.rsplit('/', 1)[-1]}", "status": "submitted"}
        for url in urls
        if url not in failed
    ]
    failures = [{"originalUrl": url, "errorMessage": reason} for url, reason in failed.items()]
    return {"code": code, "msg": None, "data": {"items": items, "failedItems": failures}}


def size(body: dict[str, Any]) -> tuple[int, int]:
    """A size that the model and ratio make plausible."""
    height = {"720p": 720, "1080p": 1080, "2k": 1440, "4k": 2160}[body["model"].rsplit("_", 1)[-1]]
    across, down = map(int, body["ratio"].split(":"))
    pixels = height * height * 16 / 9
    width = round((pixels * across / down) ** 0.5 / 2) * 2
    return width, round(width * down / across / 2) * 2


def _denied(request: Request) -> Response | None:
    if request.headers.get("authorization") == f"Bearer {API_KEY}":
        return None
    return JSONResponse({"code": 401, "msg": "invalid api key"}, 401)


def _response(answer: Answer) -> Response:
    return answer if isinstance(answer, Response) else JSONResponse(answer)


def bad_gateway() -> Response:
    """What a proxy in front of the API says when it has lost its upstream."""
    return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", 502)
