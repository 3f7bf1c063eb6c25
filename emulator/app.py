"""The emulator as an ASGI application: the provider's four calls, the files, the sample images, the ledger.

For demonstrations and tests, words decide how things end:

* a prompt with `[fail]` or `[fail: reason]`: the task fails with that reason as soon as it has left the queue;
* an image URL with `refuse` in its path: the asset's review ends in `Failed`;
* plans of single calls that go wrong: see `emulator.faults`.

Open to everyone are `GET /samples/portrait.png` (also `landscape`, `square`, under any folder below `/samples`),
`GET /staging/{name}` for the files of a staging directory, and `GET /_emulator/ledger`.
"""

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from emulator.assets import Assets
from emulator.config import EmulatorConfig
from emulator.faults import ACCEPT, Faults
from emulator.fetching import Fetcher
from emulator.files import FILE_PATH, Files
from emulator.ledger import Create, Ledger
from emulator.misbehaviour import misanswer, with_connection
from emulator.rules import RuleBroken, read_order
from emulator.samples import sample_image
from emulator.tasks import Task, Tasks
from manxue.vocabulary import ASSET_STATUS_PATH, ASSET_UPLOAD_PATH, CREATE_PATH, RESULT_PATH

Handler = Callable[[Request], Awaitable[Response]]

_STAGED_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,10})?")


class _NotJSON(Exception):
    """The body of a call cannot be read."""


def create_app(config: EmulatorConfig, ledger: Ledger) -> ASGIApp:
    """An emulator with a state of its own, which writes what clients do into `ledger`."""
    fetcher, faults = Fetcher(), Faults(config.chaos_seed)
    assets = Assets(config, fetcher, faults)
    tasks = Tasks(config, assets, fetcher, faults, ledger)
    calls = _Calls(config, assets, tasks, Files(config, tasks, ledger, faults), ledger, faults)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks.resume()
        try:
            yield
        finally:
            await tasks.close()
            await fetcher.close()

    handlers = {404: _no_handler, 405: _no_handler}
    app = Starlette(routes=calls.routes(), lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return with_connection(app)


class _Calls:
    """One method per call."""

    def __init__(
        self, config: EmulatorConfig, assets: Assets, tasks: Tasks, files: Files, ledger: Ledger, faults: Faults
    ) -> None:
        self._faults = faults
        self._config = config
        self._assets = assets
        self._tasks = tasks
        self._files = files
        self._ledger = ledger

    def routes(self) -> list[Route]:
        return [
            Route(CREATE_PATH, self._with_key(self.create), methods=["POST"]),
            Route(RESULT_PATH, self._with_key(self.query), methods=["GET"]),
            Route(ASSET_UPLOAD_PATH, self._with_key(self.upload_assets), methods=["POST"]),
            Route(ASSET_STATUS_PATH, self._with_key(self.asset_states), methods=["POST"]),
            Route(FILE_PATH, self._files.serve, methods=["GET"]),
            Route("/samples/{name:path}.png", self.sample, methods=["GET"]),
            Route("/staging/{name}", self.staged, methods=["GET"]),
            Route("/_emulator/ledger", self.show_ledger, methods=["GET"]),
        ]

    def _with_key(self, handler: Handler) -> Handler:
        expected = f"Bearer {self._config.api_key}".encode()

        async def checked(request: Request) -> Response:
            if hmac.compare_digest(request.headers.get("authorization", "").encode("latin-1"), expected):
                return await handler(request)
            return JSONResponse({"code": 401, "msg": "invalid api key"}, 401)

        return checked

    async def create(self, request: Request) -> Response:
        try:
            body = await _json(request)
        except _NotJSON as refusal:
            return self._refused(None, str(refusal))
        prompt = str(body.get("prompt")) if isinstance(body, dict) else ""
        fault = self._faults.next("create", prompt, prompt) or ""
        lost = fault.startswith(ACCEPT)
        bad = misanswer(fault.removeprefix(ACCEPT))
        if bad and not lost:
            self._ledger.creates.append(Create(body, False, None, fault))
            return bad
        answer = self._create(body)
        return bad or answer

    def _create(self, body: Any) -> Response:
        try:
            task = self._tasks.create(read_order(body))
        except RuleBroken as refusal:
            return self._refused(body, str(refusal))
        self._ledger.creates.append(Create(body, True, task.id))
        if self._config.wrapped_create:
            return _success({"projectId": task.id})
        return JSONResponse({**_identity(task), "status": "queued", "error": None})

    def _refused(self, body: Any, reason: str) -> Response:
        self._ledger.creates.append(Create(body, False, None, reason))
        return JSONResponse({"code": 400, "msg": reason}, 400)

    async def query(self, request: Request) -> Response:
        task = self._tasks.find(request.path_params["id"])
        if task is None:
            return JSONResponse({"code": -1, "msg": "task not found"}, 404)
        self._ledger.count_query(task.id)
        fault = self._faults.next("query", task.id, task.order.prompt) or ""
        return misanswer(fault) or self._status(task, fault, str(request.base_url))

    def _status(self, task: Task, fault: str, base_url: str) -> Response:
        status = task.status() if fault != "unknown-status" else "pondering"
        done = status == "completed"
        with_url = done and not self._faults.next("url", task.id, task.order.prompt)
        answer = {
            **_identity(task),
            "status": status,
            "video_url": self._files.temporary_url(task, base_url) if with_url else None,
            "actualDuration": task.order.duration if done else None,
            "error": task.failure if status == "failed" else None,
        }
        if status == "processing":
            answer["progress"] = task.progress()
        return JSONResponse(answer)

    async def upload_assets(self, request: Request) -> Response:
        return await self._asset_call("upload", request, self._ledger.uploads, self._assets.upload)

    async def asset_states(self, request: Request) -> Response:
        return await self._asset_call("states", request, self._ledger.status_calls, self._assets.states)

    async def _asset_call(
        self, kind: str, request: Request, calls: list[Any], handle: Callable[[Any], Awaitable[dict[str, Any]]]
    ) -> Response:
        try:
            body = await _json(request)
            calls.append(body)
            if bad := misanswer(self._faults.next(kind, json.dumps(body), json.dumps(body)) or ""):
                return bad
            return _success(await handle(body))
        except (_NotJSON, RuleBroken) as refusal:
            return _coded_refusal(refusal)

    async def sample(self, request: Request) -> Response:
        content = await asyncio.to_thread(sample_image, request.path_params["name"])
        if content is None:
            return await _no_handler(request, None)
        return Response(content, media_type="image/png")

    async def staged(self, request: Request) -> Response:
        folder, name = self._config.staging, request.path_params["name"]
        if folder and _STAGED_NAME.fullmatch(name) and await asyncio.to_thread((folder / name).is_file):
            return FileResponse(folder / name)
        return await _no_handler(request, None)

    async def show_ledger(self, request: Request) -> Response:
        return JSONResponse(self._ledger.as_json())


async def _json(request: Request) -> Any:
    try:
        body = json.loads(await request.body())
        # Python reads NaN and half surrogate pairs, which are no JSON and which the ledger could not show.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _NotJSON("the request body is not JSON") from None
    return body


def _identity(task: Task) -> dict[str, Any]:
    return {"id": task.id, "object": "video", "created": task.created, "model": task.order.model}


def _success(data: dict[str, Any]) -> Response:
    return JSONResponse({"code": "0", "msg": None, "data": data})


def _coded_refusal(refusal: Exception) -> Response:
    """The asset calls refuse under HTTP 200."""
    return JSONResponse({"code": "400", "msg": str(refusal), "data": None})


async def _no_handler(request: Request, error: Exception | None) -> Response:
    return JSONResponse({"message": f"No handler found for {request.method} {request.url.path}"}, 404)
