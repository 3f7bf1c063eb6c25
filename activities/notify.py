"""One attempt to tell a receiver of an event, signed as Standard Webhooks describes it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import structlog
from pydantic import BaseModel
from standardwebhooks import Webhook
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.errors import passing
from manxue.errors import retry_after_seconds
from manxue.redact import capped, redact
from media.guard import FetchFailed, FetchRefused
from media.post import Poster

NOT_DELIVERED = "NotDelivered"
GONE = "ReceiverGone"
_BUSY = "WorkerBusy"
_NO_SECRET = "NoWebhookSecret"  # noqa: S105 - the name of a failure

_MOST, _MOST_PER_RECEIVER = 40, 10
"""Attempts at a time in this worker: receivers that let them hang leave room for others, and for polls."""
_TURN = timedelta(seconds=5)
"""Until an attempt that found no room is made again."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
"""Between two attempts that the receiver did not take, each three times the one before."""

log = structlog.stdlib.get_logger("notify")


class Delivery(BaseModel):
    """One notification for one receiver."""

    url: str
    event: str
    """`completed`, `failed` and so on, for people."""
    about: str
    """The workflow id of the run that it tells of."""
    webhook_id: str
    """The same for every attempt, and for every receiver of the same event."""
    body: str
    """JSON, the same for every attempt."""


class Delivered(BaseModel):
    """The receiver took it."""

    at: datetime
    status: int
    """Of its answer, 200 to 299."""
    attempts: int


class Notify:
    """Signs with every secret, so that receivers can go from one to the next, and posts."""

    def __init__(self, poster: Poster, secrets: Sequence[str]) -> None:
        self._poster = poster
        self._webhooks = [Webhook(secret) for secret in secrets]
        self._under_way: Counter[str] = Counter()

    @activity.defn(name="notify")
    async def notify(self, delivery: Delivery) -> Delivered:
        """Fails with `ReceiverGone` for good, and with what Temporal tries again."""
        if not self._webhooks:
            raise passing(_NO_SECRET, "this worker has no MANXUE_WEBHOOK_SECRETS, so it can sign nothing")
        tried = _tried()
        with self._turn(delivery.url):
            now = datetime.now(UTC)
            try:
                status, retry_after = await self._poster.post(
                    delivery.url, delivery.body.encode(), self._headers(delivery, now)
                )
            except (FetchRefused, FetchFailed) as error:
                raise _not_delivered(capped(str(error), 200), tried) from None
        if not 200 <= status < 300:
            raise _refusal(status, retry_after, tried)
        shown = redact(delivery.url)
        log.info("notification.delivered", url=shown, notified=delivery.event, about=delivery.about, status=status)
        return Delivered(at=datetime.now(UTC), status=status, attempts=tried + 1)

    def _headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        signatures = [hook.sign(delivery.webhook_id, now, delivery.body) for hook in self._webhooks]
        return {
            "Content-Type": "application/json",
            "webhook-id": delivery.webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    @contextmanager
    def _turn(self, url: str) -> Iterator[None]:
        receiver = urlsplit(url).netloc.lower()
        if self._under_way.total() >= _MOST or self._under_way[receiver] >= _MOST_PER_RECEIVER:
            raise ApplicationError(
                "too many notifications are under way in this worker",
                type=_BUSY,
                next_retry_delay=_TURN,
                category=ApplicationErrorCategory.BENIGN,
            )
        self._under_way[receiver] += 1
        try:
            yield
        finally:
            self._under_way[receiver] -= 1
            self._under_way += Counter()  # keeps only what is above zero


def _tried() -> int:
    """How often the receiver was tried before."""
    match list(activity.info().heartbeat_details):
        case [int(tried)]:
            return tried
    return 0


def _not_delivered(message: str, tried: int, wait: timedelta = timedelta(0)) -> ApplicationError:
    """To be tried again after ever longer waits, of `wait` at the least: a receiver may ask for none at all, for days.

    Temporal counts every attempt, also those that found no room here; so the tries are counted in the heartbeat.
    """
    activity.heartbeat(tried + 1)
    return passing(NOT_DELIVERED, message, max(wait, min(_FIRST_WAIT * 3 ** min(tried, 10), _LONGEST_WAIT)))


def _refusal(status: int, retry_after: str | None, tried: int) -> ApplicationError:
    if status == 410:
        return ApplicationError("the receiver answered 410: it wants no more", type=GONE, non_retryable=True)
    redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
    wait = timedelta(seconds=retry_after_seconds(retry_after) or 0.0)
    return _not_delivered(f"the receiver answered {status}{redirect}", tried, wait)
