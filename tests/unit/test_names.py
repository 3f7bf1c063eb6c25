"""Names that nobody answers for hold up nobody else. All sockets are real; only what the system knows is made up."""

import asyncio
import ipaddress
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

import media.names
from media.fetch import Fetcher
from media.guard import AddressGuard, FetchFailed
from media.post import Poster
from tests.support.file_server import V1, FileServer

LOOPBACK = AddressGuard([ipaddress.ip_network("127.0.0.0/8")])
SOON = 5.0
"""Seconds. Within them nobody answers for a silent name."""


class System:
    """Every name of `example` is 127.0.0.1, but those that begin with `silent` have no answer before `answers`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers = threading.Event()
        self._getaddrinfo = socket.getaddrinfo

    def getaddrinfo(self, host: str | bytes, *arguments: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        self.asked[name] += 1
        if name.startswith("silent"):
            assert self.answers.wait(30)
        return self._getaddrinfo("127.0.0.1" if name.endswith(".example") else name, *arguments, **more)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    system = System()
    monkeypatch.setattr(socket, "getaddrinfo", system.getaddrinfo)
    yield system
    system.answers.set()


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


@asynccontextmanager
async def fetching(fetcher: Fetcher, system: System, names: list[str]) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """While all of them are fetched from, whose look-ups have begun or wait."""
    tasks = [asyncio.create_task(fetched(fetcher, f"http://{name}/")) for name in names]
    await asyncio.sleep(0.1)
    assert system.asked
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        system.answers.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def fetched(fetcher: Fetcher, url: str) -> bytes:
    async with fetcher.get(url) as response:
        return await response.aread()


OF_MANY_DOMAINS = [f"silent.n{number}.example" for number in range(60)]
OF_ONE_DOMAIN = [f"silent{number}.n.example" for number in range(60)]


async def test_the_providers_name_is_looked_up_beside_those_that_nobody_answers_for(
    system: System, server: FileServer
) -> None:
    async with (
        Fetcher(LOOPBACK) as fetcher,
        fetching(fetcher, system, OF_MANY_DOMAINS),
        httpx.AsyncClient(trust_env=False, timeout=SOON) as client,
    ):
        answer = await client.get(server.url.replace("127.0.0.1", "api.example"))
    assert answer.content == V1


async def test_the_silent_names_of_one_domain_leave_room_for_those_of_others(
    system: System, server: FileServer
) -> None:
    async with Fetcher(LOOPBACK) as fetcher, fetching(fetcher, system, OF_ONE_DOMAIN):
        async with asyncio.timeout(SOON):
            assert await fetched(fetcher, server.url.replace("127.0.0.1", "media.another.example")) == V1


async def test_receivers_of_notifications_do_not_wait_for_media(system: System, server: FileServer) -> None:
    async with Fetcher(LOOPBACK) as fetcher, Poster(LOOPBACK) as poster, fetching(fetcher, system, OF_MANY_DOMAINS):
        async with asyncio.timeout(SOON):
            await poster.look_up("http://receiver.example/")
            status, _ = await poster.post(server.url.replace("127.0.0.1", "receiver.example"), b"{}", {})
    assert status == 200


async def test_a_receiver_is_looked_up_before_under_the_name_that_it_is_posted_to(
    system: System, server: FileServer
) -> None:
    url = server.url.replace("127.0.0.1", "faß.example")  # fass.example, by an older rule that Python has
    async with Poster(LOOPBACK) as poster:
        await poster.look_up(url)
        await poster.post(url, b"{}", {})
    assert system.asked == {"xn--fa-hia.example": 2}


async def test_a_name_that_many_ask_for_is_looked_up_once_and_not_left_with_the_first_of_them(
    system: System, server: FileServer
) -> None:
    names = [f"silent.example:{httpx.URL(server.url).port}"] * 60
    async with Fetcher(LOOPBACK) as fetcher, fetching(fetcher, system, names) as tasks:
        tasks[0].cancel()
        await asyncio.wait({tasks[0]})
        system.answers.set()
        assert await asyncio.gather(*tasks[1:]) == [V1] * 59
    assert system.asked == {"silent.example": 1}


@pytest.mark.parametrize("names", [OF_MANY_DOMAINS, OF_ONE_DOMAIN], ids=["many domains", "one domain"])
async def test_who_waits_for_others_too_long_may_try_again(
    system: System, server: FileServer, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.names, "_MOST_WAIT", 0.3)
    url = server.url.replace("127.0.0.1", f"media.{names[0].partition('.')[2]}")
    async with Fetcher(LOOPBACK) as fetcher, fetching(fetcher, system, names):
        with pytest.raises(FetchFailed, match="too many names are being looked up"):
            async with asyncio.timeout(SOON):
                await fetched(fetcher, url)
        system.answers.set()
        assert await fetched(fetcher, url) == V1


async def test_a_name_that_does_not_exist_fails_for_all_who_asked_and_is_asked_for_anew() -> None:
    async with Fetcher(LOOPBACK) as fetcher:
        for _ in range(2):
            asking = [asyncio.create_task(fetched(fetcher, "http://no-such-host.invalid/")) for _ in range(3)]
            found = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(error) for error in found] == [FetchFailed] * 3
            assert all("cannot be resolved" in str(error) for error in found)
