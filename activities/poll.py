"""One question to the provider: how is the task?"""

from typing import Literal, assert_never

from pydantic import BaseModel
from temporalio import activity

from activities.errors import from_provider
from activities.heartbeat import heartbeating
from manxue.answers import Completed, Failed, Processing, Queued, Unrecognized
from manxue.client import ManxueClient
from manxue.errors import ManxueError


class PollAnswer(BaseModel):
    """The provider's answer without its URL, which is a secret and soon expires."""

    status: Literal["queued", "processing", "completed", "completed_without_url", "failed", "unrecognized"]
    word: str
    """The provider's own word for it."""
    percent: float | None = None
    reason: str = ""
    created: int | None = None
    actual_duration: float | None = None
    amount: float | None = None


class Poll:
    """Asks, through the worker's one client."""

    def __init__(self, manxue: ManxueClient) -> None:
        self._manxue = manxue

    @activity.defn(name="poll")
    async def poll(self, task_id: str) -> PollAnswer:
        """Ask once. Fails with the kinds of activities.errors."""
        try:
            async with heartbeating():
                status = await self._manxue.query(task_id)
        except ManxueError as error:
            raise from_provider(error, waits=False) from None
        match status:
            case Queued():
                return PollAnswer(status="queued", word="queued")
            case Processing():
                return PollAnswer(status="processing", word="processing", percent=status.percent)
            case Completed():
                return PollAnswer(
                    status="completed" if status.video_url else "completed_without_url",
                    word="completed",
                    created=status.created,
                    actual_duration=status.actual_duration,
                    amount=status.amount,
                )
            case Failed():
                return PollAnswer(status="failed", word="failed", reason=status.reason)
            case Unrecognized():
                return PollAnswer(status="unrecognized", word=status.word)
            case _:
                assert_never(status)
