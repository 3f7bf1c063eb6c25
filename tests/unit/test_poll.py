"""Attempts of a poll that wait for their next question leave room for others."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.poll import Further, Poll
from manxue.client import ManxueClient
from tests.support.processes import API_KEY
from tests.support.provider import Provider, Task


@pytest.fixture
async def poll(provider: Provider) -> AsyncIterator[Poll]:
    """In which one attempt may wait."""
    async with ManxueClient(API_KEY, provider.url) as manxue:
        yield Poll(manxue, most_waiting=1)


async def test_only_so_many_attempts_wait_at_a_time(poll: Poll, provider: Provider, word: str) -> None:
    provider.tasks[word] = Task(word, {"prompt": word, "duration": 4})
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    further = Further(since=datetime.now(UTC), seconds=[15, 30], word="processing")
    waits = _environment()
    waiting = asyncio.create_task(waits.run(poll.poll, word, further))
    while not poll.waiting:
        await asyncio.sleep(0.01)
    with pytest.raises(ApplicationError, match="it is asked again at") as asked:
        await _environment().run(poll.poll, word, further)
    assert asked.value.next_retry_delay
    assert timedelta(seconds=10) < asked.value.next_retry_delay < timedelta(seconds=15)
    waits.worker_shutdown()
    with pytest.raises(ApplicationError, match="it is asked again at"):
        await asyncio.wait_for(waiting, 1)
    assert not poll.waiting


async def test_an_attempt_from_before_polls_waited_has_no_time_for_it(
    poll: Poll, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"prompt": word, "duration": 4})
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    further = Further(since=datetime.now(UTC), seconds=[15, 30], word="processing")
    with pytest.raises(ApplicationError, match="it is asked again at"):
        await asyncio.wait_for(_environment(heartbeat_timeout=10).run(poll.poll, word, further), 5)


def _environment(heartbeat_timeout: float = 70) -> ActivityEnvironment:
    environment, now = ActivityEnvironment(), datetime.now(UTC)
    environment.info = replace(
        environment.info,
        started_time=now,
        scheduled_time=now,
        current_attempt_scheduled_time=now,
        heartbeat_timeout=timedelta(seconds=heartbeat_timeout),
    )
    return environment
