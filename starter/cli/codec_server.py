"""`manxue codec-server`: lets the Web UI and the `temporal` CLI read what is encrypted."""

import re
import socket
from typing import Annotated

import typer
import uvicorn

import logs
from encryption import EncryptionCodec
from settings import CodecServerSettings, load
from starter import display
from starter.cli.exit_codes import BAD_INPUT, UNAVAILABLE, Stopped
from starter.codec_server import LOOPBACK, create_app

_GRACE = 5
"""Seconds that open requests have to end when the server stops."""


def codec_server(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 8234,
    origin: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The Web UI as browsers know it, such as https://temporal.example."),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no token: only for callers on this machine.")
    ] = False,
) -> None:
    """Decrypt payloads for the Web UI and the temporal CLI, with MANXUE_ENCRYPTION_KEYS, behind MANXUE_CODEC_TOKEN."""
    settings = load(CodecServerSettings)
    if not settings.encryption_keys:
        raise Stopped(BAD_INPUT, "MANXUE_ENCRYPTION_KEYS is not set: there is nothing to decrypt with")
    if no_auth and host not in LOOPBACK:
        raise Stopped(BAD_INPUT, f"--no-auth is only for this machine: not for --host {host}; set MANXUE_CODEC_TOKEN")
    if not no_auth and settings.codec_token is None:
        raise Stopped(BAD_INPUT, "MANXUE_CODEC_TOKEN is not set: at least 16 characters that callers have to show")
    if origin is not None and not re.fullmatch(r"https?://[^/\s*]+", origin):
        raise Stopped(BAD_INPUT, f"--origin {origin} must be scheme, host and port of the Web UI, without a path")
    token = None if no_auth or settings.codec_token is None else settings.codec_token.get_secret_value()
    logs.configure(settings.log_format, settings.log_level)
    app = create_app(EncryptionCodec(settings.encryption_keys), origin, token)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE
    )
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Stopped(UNAVAILABLE, f"the codec server cannot listen at {host}:{port}: {error.strerror}") from error
    display.say(f"Codec server: http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
    uvicorn.Server(config).run([listener])
