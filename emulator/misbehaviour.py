"""Answers that no well-behaved server gives, for the names in `emulator.faults`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_CONNECTION = "emulator.connection"
_GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_MAINTENANCE_PAGE = "<html><body><h1>We will be back soon</h1></body></html>"
_RETRY_AFTER = {"Retry-After": "1"}


def with_connection(app: ASGIApp) -> ASGIApp:
    """Let answers close their connection: ASGI has no word for it, so this takes uvicorn's own transport."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[_CONNECTION] = getattr(send, "__self__", None)
        await app(scope, receive, send)

    return outermost


async def cut(scope: Scope) -> None:
    """Close the connection of a request at once, in the middle of whatever it is in."""
    scope[_CONNECTION].transport.abort()
    await asyncio.sleep(0.01)  # uvicorn hears of it from the event loop


class Dropped(Response):
    """No answer at all: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await cut(scope)


class Hanging(Response):
    """No answer at all: the connection stays open for as long as the client likes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def _said(status: int, message: str, headers: dict[str, str] | None = None) -> Callable[[], Response]:
    return lambda: JSONResponse({"code": status, "msg": message}, status, headers)


def _under_200(body: dict[str, Any]) -> Callable[[], Response]:
    return lambda: JSONResponse(body)


_ANSWERS: Mapping[str, Callable[[], Response]] = {
    "401": _said(401, "invalid api key"),
    "402": _said(402, "insufficient balance"),
    "403": _said(403, "this key may not do that"),
    "404": lambda: JSONResponse({"message": "No handler found for this"}, 404),
    "410": _said(410, "gone"),
    "429": _said(429, "too many requests"),
    "429-retry-after": _said(429, "too many requests", _RETRY_AFTER),
    "500": _said(500, "internal error"),
    "502-html": lambda: HTMLResponse(_GATEWAY_PAGE, 502),
    "503": _said(503, "no upstream"),
    "503-retry-after": _said(503, "busy", _RETRY_AFTER),
    "200-html": lambda: HTMLResponse(_MAINTENANCE_PAGE),
    "garbage": lambda: Response(b'\x00\xff{"id": "task-', media_type="application/json"),
    "code-1001": _under_200({"code": 1001, "msg": "parameter error", "data": None}),
    "status-failed": _under_200({"id": "", "object": "video", "status": "failed", "error": {"message": "refused"}}),
    "id-null": _under_200({"id": None, "object": "video", "status": "queued", "error": "refused"}),
    "drop": Dropped,
    "hang": Hanging,
}


def misanswer(fault: str) -> Response | None:
    """The answer for a fault that replaces the whole answer; None for one that changes only a part of it."""
    make = _ANSWERS.get(fault)
    return make() if make else None
