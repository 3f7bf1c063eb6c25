"""A create call in flight, and whoever interrupts it."""

from temporalio.activity import ActivityCancellationDetails
from temporalio.testing import ActivityEnvironment

from activities.submission_record import until_answered


async def test_an_answer_that_comes_together_with_a_cancellation_is_not_thrown_away() -> None:
    environment = ActivityEnvironment()

    async def answer() -> str:
        environment.cancel(ActivityCancellationDetails(cancel_requested=True))
        return "task-1"

    async def asked() -> str:
        return await until_answered(answer())

    assert await environment.run(asked) == "task-1"
