"""Temporal's own word on which times a schedule has, against ours, which previews show and runs count."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleState

from starter.schedule_times import When, times_of, when_of

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
WHENS = [
    *(When(cron=cron, timezone=BERLIN) for cron in ("0 9 * * MON-FRI", "0 9 * * *", "30 2 * * *", "@hourly")),
    *(When(cron=cron, timezone=NEW_YORK) for cron in ("30 2 * * *", "*/7 5-20/5 * JAN,mar-5 *", "0 0 29 2 *")),
    When(cron="15 3 * * *", timezone=LORD_HOWE),
    When(cron="5,35 0/6 1-7,31 * *", timezone="Asia/Kathmandu"),
    *(When(cron=cron) for cron in ("0 9 * * 7", "0 9 * * 0-7", "1-59/20 23 * 2 sun,TUE", "@weekly", "@yearly")),
    *(When(every=every, offset=offset) for every, offset in ((1, 0), (5400, 420), (7 * 86400, 3 * 86400 + 1))),
]


SPANS = [(datetime(2027, 3, 10, tzinfo=UTC), 31), (OCTOBER, 24)]
"""Starts and days. Spring is among them; of autumn not the hour that comes twice, which the server does not treat alike
in all zones."""

pytestmark = pytest.mark.usefixtures("worker")  # a server with a worker is ready to be asked


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


async def matching(client: Client, name: str, start: datetime, end: datetime) -> list[datetime]:
    """The server's answer, of 1000 times at most."""
    asked = ListScheduleMatchingTimesRequest(
        namespace=client.namespace, schedule_id=name, start_time=stamp(start), end_time=stamp(end)
    )
    answer = await client.workflow_service.list_schedule_matching_times(asked)
    return [time.ToDatetime(tzinfo=UTC) for time in answer.start_time]


async def test_the_server_reads_every_expression_and_interval_as_we_do(client: Client) -> None:
    async def compare(when: When) -> None:
        name = f"times-{uuid4().hex[:8]}"
        action = ScheduleActionStartWorkflow("Nothing", id=name, task_queue="nobody")
        made = Schedule(action=action, spec=when.spec(), state=ScheduleState(paused=True))
        handle = await client.create_schedule(name, made)
        spec = (await handle.describe()).schedule.spec
        ours = when.numbering(OCTOBER).times(when.timezone)
        assert times_of(spec) == ours
        read_back = when_of(spec)
        assert read_back
        assert read_back.numbering(OCTOBER).times(when.timezone) == ours
        for start, days in SPANS:
            end = start + timedelta(days=days)
            theirs = await matching(client, name, start, end)
            expected: list[datetime] = []
            for time in islice(ours.following(start), len(theirs) + 1):
                if time <= end and len(expected) < 1000:
                    expected.append(time)
            assert expected == theirs, when
        await handle.delete()

    await asyncio.gather(*map(compare, WHENS))
