"""The emulator as an ASGI application: the provider's four calls, the files, the sample images, the ledger.

For demonstrations and tests, words decide how things end:

* a prompt with `[fail]` or `[fail: reason]`: the task fails with that reason as soon as it has left the queue;
* an image URL with `refuse` in its path: the asset's review ends in `Failed`.

Open to everyone are `GET /samples/portrait.png` (also `landscape`, `square`) and `GET /_emulator/ledger`.
"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.assets import Assets
from emulator.config import EmulatorConfig
from emulator.fetching import Fetcher
from emulator.files import FILE_PATH, Files
from emulator.ledger import Create, Ledger
from emulator.rules import RuleBroken, read_order
from emulator.samples import sample_image
from emulator.tasks import Task, Tasks
from manxue.vocabulary import ASSET_STATUS_PATH, ASSET_UPLOAD_PATH, CREATE_PATH, RESULT_PATH

Handler = Callable[[Request], Awaitable[Response]]


class _NotJSON(Exception):
    """The body of a call cannot be read."""


def create_app(config: EmulatorConfig) -> Starlette:
    """An emulator with a state of its own; `app.state.ledger` is its `Ledger`."""
    fetcher = Fetcher()
    assets = Assets(config, fetcher)
    tasks = Tasks(config, assets, fetcher)
    ledger = Ledger()
    calls = _Calls(config, assets, tasks, Files(config, tasks, ledger), ledger)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await tasks.close()
            await fetcher.close()

    app = Starlette(routes=calls.routes(), lifespan=lifespan, exception_handlers={404: _no_handler, 405: _no_handler})
    app.state.ledger = ledger
    return app


class _Calls:
    """One method per call."""

    def __init__(self, config: EmulatorConfig, assets: Assets, tasks: Tasks, files: Files, ledger: Ledger) -> None:
        self._config = config
        self._assets = assets
        self._tasks = tasks
        self._files = files
        self._ledger = ledger

    def routes(self) -> list[Route]:
        return [
            Route(CREATE_PATH, self._through(self._with_key(self.create)), methods=["POST"]),
            Route(RESULT_PATH, self._through(self._with_key(self.query)), methods=["GET"]),
            Route(ASSET_UPLOAD_PATH, self._through(self._with_key(self.upload_assets)), methods=["POST"]),
            Route(ASSET_STATUS_PATH, self._through(self._with_key(self.asset_states)), methods=["POST"]),
            Route(FILE_PATH, self._through(self._files.serve), methods=["GET"]),
            Route("/samples/{name}.png", self.sample, methods=["GET"]),
            Route("/_emulator/ledger", self.show_ledger, methods=["GET"]),
        ]

    def _through(self, handler: Handler) -> Handler:
        """The one way into and out of every call of the provider.

        An answer given in place of `handler` is a call that the provider never took; one given after it is a call that
        was taken and whose true answer was lost. Faults belong here and nowhere else.
        """

        async def endpoint(request: Request) -> Response:
            return await handler(request)

        return endpoint

    def _with_key(self, handler: Handler) -> Handler:
        expected = f"Bearer {self._config.api_key}".encode()

        async def checked(request: Request) -> Response:
            if hmac.compare_digest(request.headers.get("authorization", "").encode("latin-1"), expected):
                return await handler(request)
            return JSONResponse({"code": 401, "msg": "invalid api key"}, 401)

        return checked

    async def create(self, request: Request) -> Response:
        body = None
        try:
            body = await _json(request)
            task = self._tasks.create(read_order(body))
        except (_NotJSON, RuleBroken) as refusal:
            self._ledger.creates.append(Create(body, False, None, str(refusal)))
            return JSONResponse({"code": 400, "msg": str(refusal)}, 400)
        self._ledger.creates.append(Create(body, True, task.id))
        if self._config.wrapped_create:
            return _success({"projectId": task.id})
        return JSONResponse({**_identity(task), "status": "queued", "error": None})

    async def query(self, request: Request) -> Response:
        task = self._tasks.find(request.path_params["id"])
        if task is None:
            return JSONResponse({"code": -1, "msg": "task not found"}, 404)
        self._ledger.count_query(task.id)
        status = task.status()
        done = status == "completed"
        answer = {
            **_identity(task),
            "status": status,
            "video_url": self._files.temporary_url(task, str(request.base_url)) if done else None,
            "actualDuration": task.order.duration if done else None,
            "error": task.failure if status == "failed" else None,
        }
        if status == "processing":
            answer["progress"] = task.progress()
        return JSONResponse(answer)

    async def upload_assets(self, request: Request) -> Response:
        try:
            body = await _json(request)
            self._ledger.uploads.append(body)
            return _success(await self._assets.upload(body))
        except (_NotJSON, RuleBroken) as refusal:
            return _coded_refusal(refusal)

    async def asset_states(self, request: Request) -> Response:
        try:
            body = await _json(request)
            self._ledger.status_calls.append(body)
            return _success(self._assets.states(body))
        except (_NotJSON, RuleBroken) as refusal:
            return _coded_refusal(refusal)

    async def sample(self, request: Request) -> Response:
        content = await asyncio.to_thread(sample_image, request.path_params["name"])
        if content is None:
            return await _no_handler(request, None)
        return Response(content, media_type="image/png")

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
