"""The one place that keeps secrets out of text: logs, errors, manifests and terminal output pass through here."""

import re
from typing import Any

_QUERY = re.compile(r"(?<![a-zA-Z0-9+.-])([a-zA-Z0-9+.-]++://[^\s?#\"'<>]*+)(\?[^\s\"'<>]*+)?")
# Possessive, and a match for URLs without a query too: linear in the text, be it a whole file as base64.
_BARE_QUERY = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")
"""Of a URL that lost its scheme, or whose slashes are escaped."""
_ENCODED_QUERY = re.compile(r"(?i)(%(?:25)*3f)[\w.~-]+(?:%(?:25)*[0-9a-f]{2}[\w.~-]*)*?%(?:25)*3d[^\s\"'<>]*")
"""Of a URL that is percent-encoded as a whole, once or more."""
_SIGNATURE = re.compile(
    r"(?i)(?<![a-z0-9])((?:x-(?:amz|goog|oss|cos|ms)-(?:signature|credential|security-token)|awsaccesskeyid"
    r"|ossaccesskeyid|googleaccessid|signature|sig|access_token)(?:=|%(?:25)*3d))[^\s&\"'<>]+"
)
"""Of a query without its URL: what object stores sign with."""
_USERINFO = re.compile(r"(://)[^\s/@\"'<>]+@")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',]+")


def redact(text: str) -> str:
    """`text` without URL query strings (they may be signatures) in any spelling, URL passwords and bearer tokens."""
    text = _USERINFO.sub(r"\1…@", _QUERY.sub(lambda url: url[1] + ("?…" if url[2] else ""), text))
    text = _ENCODED_QUERY.sub(r"\1…", _BARE_QUERY.sub("?…", text))
    return _BEARER.sub("Bearer …", _SIGNATURE.sub(r"\1…", text))


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
