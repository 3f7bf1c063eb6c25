"""Which answer of the provider means what, as one tree of errors.

    ManxueError
    ├── NotSent         no byte of the request reached the provider: safe to send again
    ├── RateLimited     429, or 503 with Retry-After: not accepted, ask again later
    ├── Refused         a definite no: another 4xx, or under 200 `code` not 0, `status: failed`, `id: null`
    │   ├── AuthenticationFailed    401, 403
    │   ├── InsufficientBalance     402, or a message about balance
    │   └── NotFound                404
    └── UnknownOutcome  bytes left and no readable answer came: reset, read timeout, garbage, any other 5xx

For an idempotent call UnknownOutcome only means "ask again". For a create call it may mean a render that is being
paid for, so nothing below the workflow repeats it.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from manxue.redact import capped

_BALANCE = re.compile(
    r"(?<!load[ -])\bbalance\b|insufficient.{0,20}(credit|fund|quota)|credits? (exhausted|not enough)|余额|欠费", re.I
)
_MAX_RETRY_AFTER = 3600.0


class ManxueError(Exception):
    """Any answer of the provider, or lack of one, that is not what was asked for. The text carries no secrets."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(capped(message.strip()))
        self.retry_after = retry_after
        """Seconds that the provider asked us to wait, when it did."""


class NotSent(ManxueError):
    """No connection could be made, so nothing was sent."""


class RateLimited(ManxueError):
    """The provider did not accept the call now and may later."""


class Refused(ManxueError):
    """A definite no. Sending the same again gets the same answer."""


class AuthenticationFailed(Refused):
    """The API key is wrong, or may not do this."""


class InsufficientBalance(Refused):
    """The account has no credit."""


class NotFound(Refused):
    """The provider knows no such task (or no such route)."""


class UnknownOutcome(ManxueError):
    """The call may or may not have been carried out."""


def from_transport(error: httpx.RequestError | httpx.InvalidURL) -> ManxueError:
    """What a failure of the connection means: everything before the first byte is NotSent."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    if isinstance(error, (*never_sent, httpx.InvalidURL, httpx.ProxyError)):
        return NotSent(f"the provider could not be reached ({text})")
    return UnknownOutcome(f"the connection to the provider broke before a whole answer came ({text})")


def from_status(status: int, said: str, retry_after: float | None) -> ManxueError:
    """What an HTTP status other than 2xx means. `said` is the provider's message, or the start of its body."""
    text = f"the provider answered {status}" + (f": {said}" if said else "")
    if status == 429 or (status == 503 and retry_after is not None):
        return RateLimited(text, retry_after=retry_after)
    if 400 <= status < 500:
        return refusal(text, status)
    return UnknownOutcome(text, retry_after=retry_after)


def refusal(text: str, code: int | None) -> ManxueError:
    """The kind of a definite no, from its HTTP status or its `code`, and its words."""
    if code == 429:
        return RateLimited(text)
    if code in (401, 403):
        return AuthenticationFailed(text)
    if code == 402 or _BALANCE.search(text):
        return InsufficientBalance(text)
    return NotFound(text) if code == 404 else Refused(text)


def retry_after_seconds(header: str | None) -> float | None:
    """The `Retry-After` header in seconds (it may be a number or a date), at most an hour; None when unusable."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER) if seconds == seconds else None
