"""Notifications leave the worker only to where they may go, and none of their receivers takes up all of it."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notify import Delivery, Notify
from media.guard import Address, AddressGuard, FetchFailed, FetchRefused
from media.post import Poster
from tests.support.receiver import SECRET, Answer, Receiver

LOOPBACK = AddressGuard([ipaddress.ip_network("127.0.0.0/8")])


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    """May post to this machine."""
    async with Poster(LOOPBACK) as poster:
        yield poster


async def test_a_receiver_that_hangs_leaves_room_for_the_others(poster: Poster, receiver: Receiver, word: str) -> None:
    slow = Receiver().start()
    slow.answers["/"] = lambda number: Answer(hangs=True)
    notify = Notify(poster, [SECRET]).notify

    def deliver(url: str) -> Delivery:
        return Delivery(url=url, event="completed", about="a run", webhook_id="msg_1", body="{}")

    hanging = [asyncio.create_task(ActivityEnvironment().run(notify, deliver(f"{slow.url}/"))) for _ in range(10)]
    await slow.count("/", 10)
    with pytest.raises(ApplicationError, match="too many") as busy:
        await ActivityEnvironment().run(notify, deliver(f"{slow.url}/"))
    assert not busy.value.non_retryable
    assert (await ActivityEnvironment().run(notify, deliver(f"{receiver.url}/{word}"))).status == 204
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    slow.answers["/"] = lambda number: Answer()
    assert (await ActivityEnvironment().run(notify, deliver(f"{slow.url}/"))).status == 204
    slow.stop()


@pytest.mark.parametrize(("tried", "seconds"), [([], 5), ([1], 15), ([2], 45), ([9], 3600), (["nonsense"], 5)])
async def test_the_wait_grows_with_what_the_receiver_answered_not_with_attempts_that_found_no_room(
    poster: Poster, receiver: Receiver, word: str, tried: list[object], seconds: int
) -> None:
    receiver.answers[f"/{word}"] = lambda number: Answer(503, {"Retry-After": "1"})
    environment, beats = ActivityEnvironment(), list[int]()
    environment.info = replace(environment.info, attempt=12, heartbeat_details=tried)
    environment.on_heartbeat = beats.append
    delivery = Delivery(url=f"{receiver.url}/{word}", event="completed", about="a run", webhook_id="msg_1", body="{}")
    with pytest.raises(ApplicationError) as failed:
        await environment.run(Notify(poster, [SECRET]).notify, delivery)
    assert failed.value.next_retry_delay == timedelta(seconds=seconds)
    receiver.answers[f"/{word}"] = lambda number: Answer()
    environment.info = replace(environment.info, heartbeat_details=beats)
    delivered = await environment.run(Notify(poster, [SECRET]).notify, delivery)
    assert [delivered.attempts] == [beats[0] + 1]


async def test_a_name_that_changes_its_mind_leads_nowhere(receiver: Receiver, word: str) -> None:
    addresses = ["127.0.0.1", "10.0.0.1"]

    async def resolve(host: str) -> list[Address]:
        return [ipaddress.ip_address(addresses.pop(0))]

    url = receiver.url.replace("127.0.0.1", "receiver.example") + f"/{word}"
    async with Poster(LOOPBACK, resolve) as poster:
        await poster.look_up(url)
        with pytest.raises(FetchRefused):
            await poster.post(url, b"{}", {})
    assert receiver.at(f"/{word}") == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://10.0.0.1/", FetchRefused),
        ("http://[fd00::1]/", FetchRefused),
        ("http://169.254.169.254/latest", FetchRefused),
        ("http://0x0a000001/", FetchRefused),
        ("ftp://a.example/", FetchRefused),
        ("http://no-such-host.invalid/", FetchFailed),
    ],
)
async def test_an_address_that_is_off_limits_is_refused_before_and_while_it_is_posted_to(
    poster: Poster, url: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await poster.look_up(url)
    with pytest.raises(error):
        await poster.post(url, b"{}", {})
