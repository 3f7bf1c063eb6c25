"""The TLS settings of every HTTPS connection of ours: the public authorities that certifi lists, and nothing else."""

import ssl
from functools import cache
from threading import Lock

import httpx

_ONE_AT_A_TIME = Lock()


def context() -> ssl.SSLContext:
    """One for all connections. The first call takes 25 ms, in which other threads can work."""
    with _ONE_AT_A_TIME:
        return _loaded()


@cache
def _loaded() -> ssl.SSLContext:
    loaded = httpx.create_ssl_context(trust_env=False)
    loaded.set_alpn_protocols(["http/1.1"])
    return loaded
