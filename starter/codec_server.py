"""Encrypts and decrypts payloads over HTTP for those who may read them: the Web UI and the `temporal` CLI.

The protocol is Temporal's: POST `Payloads` as JSON to /encode or /decode, with the namespace as `X-Namespace`. What
passes through is never logged, only how much of it.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence

import structlog
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from encryption import PayloadUnreadable

log = structlog.stdlib.get_logger("codec_server")

LOOPBACK = ("127.0.0.1", "localhost")
_MOST_BYTES = 16 * 1024 * 1024
"""Of a request: several times what a gRPC message may have, as base64."""


class _TooLarge(Exception):
    """The body is longer than anybody needs."""


def create_app(codec: PayloadCodec, origin: str | None, token: str | None) -> Starlette:
    """The codec server. `origin` is the Web UI's, whose pages may call; `token` what every caller has to show.

    Without a token only requests to this machine's own names are answered, so that no foreign page, by a name of its
    own that leads here, is taken for the Web UI.
    """

    def endpoint(name: str, work: Callable[[Sequence[Payload]], Awaitable[list[Payload]]]) -> Route:
        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if token is not None and not hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode()):
                log.warning("codec.refused", what=name, namespace=_namespace(request))
                return PlainTextResponse("a bearer token is needed: the codec server's MANXUE_CODEC_TOKEN\n", 401)
            try:
                payloads = Parse(await _body(request), Payloads(), ignore_unknown_fields=True).payloads
                result = Payloads(payloads=await work(payloads))
            except _TooLarge:
                return PlainTextResponse(f"at most {_MOST_BYTES} bytes\n", 413)
            except (ParseError, UnicodeDecodeError):
                return PlainTextResponse("the body must be Payloads as JSON\n", 400)
            except PayloadUnreadable as error:
                log.warning("codec.unreadable", namespace=_namespace(request), failure=error.message)
                return PlainTextResponse(f"{error.message}\n", 400)
            log.info(f"codec.{name}d", payloads=len(payloads), namespace=_namespace(request))
            return Response(MessageToJson(result, indent=None), media_type="application/json")

        return Route(f"/{name}", answer, methods=["POST"])

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    cors = Middleware(
        CORSMiddleware,
        allow_origins=[origin] if origin else [],
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "X-Namespace"],
    )
    own_names = Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK), www_redirect=False)
    return Starlette(
        routes=[endpoint("encode", codec.encode), endpoint("decode", codec.decode), Route("/health", health)],
        middleware=[cors] if token is not None else [own_names, cors],
    )


async def _body(request: Request) -> bytes:
    """The body, never more than the limit of it in memory. Raises _TooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise _TooLarge
    return bytes(body)


def _namespace(request: Request) -> str:
    return request.headers.get("x-namespace", "")[:100]
