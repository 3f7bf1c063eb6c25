"""Who is told of a run, of which events, and whether it was: the parts of input and result that are about `notify`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from manxue.url import receiver_problem
from workflows.input_fields import StrictInput

DELIVER_NOTIFICATION = "DeliverNotification"
"""The workflow that delivers one notification to one receiver."""
NOTIFICATION_UNDELIVERED = "NotificationUndelivered"
"""The type of the failure that it ends in when the receiver could not be told for days, or wants no more."""


class NotifyEvent(StrEnum):
    """What a receiver can be told of."""

    COMPLETED = "completed"
    FAILED = "failed"
    NEEDS_DECISION = "needs_decision"
    CANCELED = "canceled"


def _receiver(url: str) -> str:
    if hint := receiver_problem(url):
        raise PydanticCustomError("url", "{hint}", {"hint": hint})
    return url


class NotifyTarget(StrictInput):
    """One receiver of notifications."""

    url: Annotated[str, AfterValidator(_receiver)]
    """http or https, without a user name. Its query string is sent, and shown nowhere but in the input."""
    events: Annotated[tuple[NotifyEvent, ...], Field(min_length=1, max_length=20)] = tuple(NotifyEvent)
    """Default: all."""


def _each_once(targets: tuple[NotifyTarget, ...]) -> tuple[NotifyTarget, ...]:
    for number, one in enumerate(targets):
        for earlier in range(number):
            if targets[earlier].url == one.url:
                raise ValueError(f"must name each URL once: notify[{earlier}] and notify[{number}] are the same")
    return targets


NotifyTargets = Annotated[tuple[NotifyTarget, ...], Field(max_length=10), AfterValidator(_each_once)]


class NotificationReport(BaseModel):
    """Whether a receiver was told of an event, as far as the run knows."""

    event: NotifyEvent
    """Of what."""
    url: str
    """Without its query string."""
    state: Literal["pending", "delivered", "given_up"] = "pending"
    """`pending`: it was not delivered yet when the run last knew of it, and is tried for days."""
    at: datetime
    """When that state began."""
    message: str = ""
    """What the receiver answered, or why it was given up."""
    webhook_id: str
    """The header `webhook-id` of the message."""
    workflow_id: str
    """Of the `DeliverNotification`, which goes on when the run is over, and says how it went."""
