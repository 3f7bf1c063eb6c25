"""The one place that keeps secrets out of text: logs, errors, manifests and terminal output pass through here."""

import re
from typing import Any

_QUERY = re.compile(r"(?<![a-zA-Z0-9+.-])([a-zA-Z0-9+.-]++://[^\s?#\"'<>]*+)(\?[^\s\"'<>]*+)?")
# Possessive, and a match for URLs without a query too: linear in the text, be it a whole file as base64.
_BARE_QUERY = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")
"""Of a URL that lost its scheme, or whose slashes are escaped."""
_USERINFO = re.compile(r"(://)[^\s/@\"'<>]+@")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',]+")


def redact(text: str) -> str:
    """`text` without URL query strings (they may be signatures), URL passwords and bearer tokens."""
    text = _USERINFO.sub(r"\1…@", _QUERY.sub(lambda url: url[1] + ("?…" if url[2] else ""), text))
    return _BEARER.sub("Bearer …", _BARE_QUERY.sub("?…", text))


def redact_json(value: Any) -> Any:
    """A JSON value with every string in it redacted, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    if isinstance(value, dict):
        return {redact(str(key)): redact_json(item) for key, item in value.items()}
    return value


def capped(text: str, limit: int = 500) -> str:
    """`text` redacted and cut to `limit` characters, valid as UTF-8: for messages that carry somebody else's words."""
    text = redact(text.encode("utf-8", "replace").decode())
    return text if len(text) <= limit else text[: limit - 1] + "…"
