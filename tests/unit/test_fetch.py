"""The fetch guard against URLs, names and servers that mean harm. All sockets are real; only names are made up."""

import asyncio
import gzip
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

import media.fetch
from media.fetch import Fetcher
from media.guard import Address, AddressGuard, FetchFailed, FetchRefused

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

ONLY_ONE = AddressGuard([ipaddress.ip_network("127.0.0.1/32")])
"""The address that tests may fetch from; 127.0.0.2 is as forbidden as any private address."""
EITHER = (FetchRefused, FetchFailed)


@dataclass
class Seen:
    """What a listener saw."""

    port: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def listening(answer: Answer | None = None, hosts: Iterable[str] = ("127.0.0.1",)) -> AsyncIterator[Seen]:
    """A server that reads the head of a request, answers, and closes; on one port of all hosts."""
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            seen.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            await (answer or ok)(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with AsyncExitStack() as stack:
        for host in hosts:
            server = await asyncio.start_server(serve, host, seen.port)
            stack.callback(server.close)
            seen.port = server.sockets[0].getsockname()[1]
        yield seen


def says(text: str | bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode() if isinstance(text, str) else text)

    return answer


def repeats(head: str, block: bytes, pause: float = 0.0) -> Answer:
    """Never ends by itself."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        while not writer.is_closing():
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


ok = says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
HEAD = "HTTP/1.1 200 OK\r\n"
ENDLESS = f"{HEAD}Content-Length: 999999999999\r\n\r\n"


async def body(fetcher: Fetcher, url: str) -> bytes:
    async with fetcher.get(url) as response:
        return b"".join([chunk async for chunk in response.aiter_bytes()])


async def fetched(url: str, guard: AddressGuard = ONLY_ONE) -> bytes:
    async with Fetcher(guard) as fetcher:
        return await body(fetcher, url)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


LOOPBACK = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)


@pytest.mark.parametrize(
    "url",
    [
        # Addresses that are not public
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://127.255.255.254:{port}/",
        "http://0.0.0.0:{port}/",
        "http://0.1.2.3/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://100.100.100.200/latest/meta-data/",
        "http://168.63.129.16/machine/?comp=goalstate",
        "http://192.0.0.192/opc/v2/instance/",
        "http://192.0.2.1/",
        "http://198.51.100.1/",
        "http://203.0.113.1/",
        "http://198.18.0.1/",
        "http://192.88.99.1/",
        "http://224.0.0.1/",
        "http://239.255.255.250:1900/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]:{port}/",
        "http://[::1]:{port}/",
        "http://[0:0:0:0:0:0:0:1]:{port}/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[ff02::1]/",
        "http://[ff0e::1]/",
        "http://[100::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[5f00::1]/",
        "http://[2001:10::1]/",
        "http://[4000::1]/",
        # IPv4 inside IPv6
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::127.0.0.1]:{port}/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[64:ff9b:1:fffe::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        # Odd spellings of 127.0.0.1 and ::1
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://017700000001:{port}/",
        "http://127.1:{port}/",
        "http://127.0.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://0x7f.0x0.0x0.0x1:{port}/",
        "http://0177.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.000.000.001:{port}/",
        "http://0:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST:{port}/",
        "HTTP://127.0.0.1:{port}/",
        "http://１２７.0.0.1:{port}/",
        "http://①②⑦.0.0.1:{port}/",
        "http://127。0。0。1:{port}/",
        "http://[::1%lo]:{port}/",
        "http://[::1%25lo]:{port}/",
        "http://[fe80::1%1]/",
        "http://127.0.0.1%20:{port}/",
        "http://127.0.0.1%00:{port}/",
        "http://%31%32%37.0.0.1:{port}/",
        # Another host than it seems, or none
        "http://public.example@127.0.0.1:{port}/",
        "http://public.example:80@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@public.example/",
        "http://public.example\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@public.example/",
        "http://user:secret@public.example/",
        "http://127.0.0.1\t:{port}/",
        "ht\ntp://127.0.0.1:{port}/",
        " http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/\r\nX-Injected: 1",
        "http://[::1",
        "http://[::1]extra:{port}/",
        "http://xn--/",
        "http://\ud800.example/",
        "http:///127.0.0.1:{port}/",
        "http:127.0.0.1:{port}",
        "//127.0.0.1:{port}/",
        "127.0.0.1:{port}",
        "http://public.example:99999/",
        "http://public.example:-1/",
        "http://public.example:0/",
        "",
        pytest.param("http://" + "a" * 70_000, id="too long"),
        # Schemes
        "file:///etc/passwd",
        "file://127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/_x",
        "ws://127.0.0.1:{port}/",
        "data:text/plain,hello",
        "s3://bucket/key",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    ],
)
async def test_a_hostile_url_is_refused_and_nobody_is_connected_to(url: str) -> None:
    async with listening(hosts=LOOPBACK) as seen:
        with pytest.raises(FetchRefused):
            await fetched(url.replace("{port}", str(seen.port)), AddressGuard())
        assert seen.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://public.example#@127.0.0.1:{port}/",
        "http://ⓛocalhost:{port}/",
        "http://a..b:{port}/",
        "http://.:{port}/",
        pytest.param("http://" + "a" * 64 + ".example:{port}/", id="label of 64"),
        pytest.param("http://" + "a." * 200 + "example:{port}/", id="name of 400"),
    ],
)
async def test_what_is_no_name_is_refused_or_not_found(url: str) -> None:
    async with listening(hosts=LOOPBACK) as seen:
        with pytest.raises(EITHER):
            await fetched(url.replace("{port}", str(seen.port)), AddressGuard())
        assert seen.connections == 0


def addresses(*spelled: str) -> list[Address]:
    return [ipaddress.ip_address(text) for text in spelled]


@pytest.mark.parametrize(
    "spelled", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"]
)
def test_public_addresses_may_be_connected_to(spelled: str) -> None:
    assert AddressGuard().allowed("public.example", addresses(spelled)) == addresses(spelled)


@pytest.mark.parametrize(
    ("found", "networks", "expected"),
    [
        (["8.8.8.8", "1.1.1.1"], [], ["8.8.8.8", "1.1.1.1"]),
        (["8.8.8.8", "10.0.0.1"], [], None),
        (["10.0.0.1", "8.8.8.8"], [], None),
        (["8.8.8.8", "::1"], [], None),
        (["8.8.8.8", "::ffff:10.0.0.1"], [], None),
        (["::1", "127.0.0.1"], ["127.0.0.0/8"], ["127.0.0.1"]),
        (["8.8.8.8", "10.0.0.1", "10.9.0.1"], ["10.0.0.0/16"], ["10.0.0.1"]),
        (["8.8.8.8", "10.9.0.1"], ["10.0.0.0/16"], None),
        (["::ffff:10.0.0.1"], ["10.0.0.0/16"], ["::ffff:10.0.0.1"]),
        (["fd00::1", "fd01::1"], ["fd00::/16"], ["fd00::1"]),
        ([], [], []),
    ],
)
def test_one_private_address_refuses_a_name_unless_the_settings_allow_one(
    found: list[str], networks: list[str], expected: list[str] | None
) -> None:
    guard = AddressGuard([ipaddress.ip_network(network) for network in networks])
    if expected is None:
        with pytest.raises(FetchRefused, match=r"mixed\.example has the address .* not public"):
            guard.allowed("mixed.example", addresses(*found))
    else:
        assert guard.allowed("mixed.example", addresses(*found)) == addresses(*expected)


def test_an_allowed_host_is_allowed_by_its_very_name_only() -> None:
    guard = AddressGuard(allowed_hosts=["Api.internal"])
    assert guard.allowed("API.internal", addresses("10.0.0.1")) == addresses("10.0.0.1")
    for other in ("api.internal.", "x.api.internal", "api.internal.example", "10.0.0.1"):
        with pytest.raises(FetchRefused):
            guard.allowed(other, addresses("10.0.0.1"))


async def test_what_the_settings_allow_is_fetched_without_any_credentials() -> None:
    async with listening() as seen:
        assert await fetched(f"http://127.0.0.1:{seen.port}/a?b=c#d") == b"hello"
        request = seen.requests[0]
        assert request.startswith("GET /a?b=c HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{seen.port}\r\nUser-Agent: manxue-worker\r\n" in request
        assert "Accept-Encoding: identity\r\n" in request
        assert not {"authorization", "cookie"} & {line.split(":")[0].lower() for line in request.splitlines()}


async def test_a_cookie_is_not_kept() -> None:
    async with (
        listening(says(f"{HEAD}Set-Cookie: id=1\r\nContent-Length: 0\r\n\r\n")) as seen,
        Fetcher(ONLY_ONE) as fetcher,
    ):
        for _ in range(2):
            await body(fetcher, f"http://127.0.0.1:{seen.port}/")
        assert len(seen.requests) == 2
        assert "cookie" not in "".join(seen.requests).lower()


# Redirects


def redirect(location: str, status: int = 302) -> Answer:
    return says(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_an_allowed_address_is_followed(status: int) -> None:
    async with (
        listening() as target,
        listening(redirect(f"http://127.0.0.1:{target.port}/there", status)) as first,
    ):
        assert await fetched(f"http://127.0.0.1:{first.port}/here") == b"hello"
        assert target.requests[0].startswith("GET /there ")
        assert f"Host: 127.0.0.1:{target.port}\r\n" in target.requests[0]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "//127.0.0.2:{port}/",
        "http://2130706434:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://127.0.0.1@127.0.0.2:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[64:ff9b:1::7f00:1]/",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.2:{port}/",
        "data:,hello",
        "javascript:alert(1)",
        "http://[::1",
        "http://xn--/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:{port}\x7f/",
    ],
)
@pytest.mark.parametrize("hops", [1, 3])
async def test_a_redirect_is_checked_like_a_url_at_every_hop(location: str, hops: int) -> None:
    async with AsyncExitStack() as stack:
        forbidden = await stack.enter_async_context(listening(hosts=["127.0.0.2"]))
        url = location.replace("{port}", str(forbidden.port))
        for _ in range(hops):
            server = await stack.enter_async_context(listening(redirect(url)))
            url = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(FetchRefused):
            await fetched(url)
        assert server.connections == 1
        assert forbidden.connections == 0


async def test_a_redirect_loop_ends() -> None:
    async with listening(redirect("/again")) as seen:
        with pytest.raises(FetchFailed, match="more than 5 redirects"):
            await fetched(f"http://127.0.0.1:{seen.port}/")
        assert seen.connections == 6


async def test_the_endless_body_of_a_redirect_is_not_read() -> None:
    async with listening() as target:
        head = (
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target.port}/\r\nContent-Length: 999999999999\r\n\r\n"
        )
        async with listening(repeats(head, bytes(65536))) as first:
            assert await asyncio.wait_for(fetched(f"http://127.0.0.1:{first.port}/"), 5) == b"hello"


# Names


class Names:
    """A resolver that answers from a script, and knows how often it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.left = [addresses(*answer) for answer in answers]

    async def __call__(self, host: str) -> list[Address]:
        return self.left.pop(0)


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with (
        listening() as good,
        listening(hosts=["127.0.0.2"]) as evil,
        Fetcher(ONLY_ONE, names) as fetcher,
    ):
        assert await body(fetcher, f"http://rebinding.example:{good.port}/") == b"hello"
        assert len(names.left) == 1  # asked once
        assert f"Host: rebinding.example:{good.port}\r\n" in good.requests[0]
        with pytest.raises(FetchRefused):
            await body(fetcher, f"http://rebinding.example:{evil.port}/")
        assert evil.connections == 0


async def test_a_name_that_changes_its_address_between_two_redirects_is_checked_again() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with listening(redirect("/again"), hosts=["127.0.0.1"]) as good, Fetcher(ONLY_ONE, names) as fetcher:
        with pytest.raises(FetchRefused):
            await body(fetcher, f"http://rebinding.example:{good.port}/")


async def test_a_name_with_one_private_address_is_not_connected_to_at_all() -> None:
    async with listening() as seen, Fetcher(AddressGuard(), Names(["8.8.8.8", "127.0.0.1"])) as fetcher:
        with pytest.raises(FetchRefused, match=r"127\.0\.0\.1, which is not public"):
            await body(fetcher, f"http://mixed.example:{seen.port}/")
        assert seen.connections == 0


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    guard = AddressGuard([ipaddress.ip_network("127.0.0.0/8")])
    async with listening() as seen, Fetcher(guard, Names(["127.0.0.3", "127.0.0.1"])) as fetcher:
        assert await body(fetcher, f"http://two.example:{seen.port}/") == b"hello"


async def test_a_resolver_that_never_answers_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(host: str) -> list[Address]:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(media.fetch, "HEAD_SECONDS", 0.2)
    async with Fetcher(AddressGuard(), hangs) as fetcher:
        with pytest.raises(FetchFailed, match="no answer"):
            await body(fetcher, "http://slow.example/")


async def test_many_refusals_and_failures_use_up_nothing() -> None:
    async with listening() as seen, Fetcher(ONLY_ONE) as fetcher:
        for _ in range(150):
            with pytest.raises(FetchRefused):
                await body(fetcher, "http://127.0.0.2/")
            with pytest.raises(FetchFailed):
                await body(fetcher, "http://127.0.0.1:1/")
        assert await body(fetcher, f"http://127.0.0.1:{seen.port}/") == b"hello"


# Answers


@pytest.mark.parametrize(
    "answer",
    [
        repeats(HEAD, b"X-Bomb: " + b"x" * 1000 + b"\r\n"),
        repeats(f"{HEAD}X-Bomb: ", b"x" * 1000),
        says(f"{HEAD}Content-Length: {'9' * 5000}\r\n\r\nhello"),
        says(f"{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        says(f"{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        says(f"{HEAD}Content-Length: 6\r\n\r\nhello"),
        says(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        says(b"\x16\x03\x01 no HTTP at all\r\n\r\n"),
        says(""),
    ],
    ids=["lines", "line", "digits", "lengths", "coding", "short", "no last chunk", "garbage", "nothing"],
)
async def test_an_answer_that_is_no_proper_http_fails_as_a_fetch(answer: Answer) -> None:
    async with listening(answer) as seen:
        with pytest.raises(FetchFailed):
            await asyncio.wait_for(fetched(f"http://127.0.0.1:{seen.port}/"), 5)


@pytest.mark.parametrize(
    "answer",
    [
        repeats(HEAD, b"x", pause=0.05),
        repeats("", b"HTTP/1.1 103 Early Hints\r\n\r\n", pause=0.05),
        repeats("", b"", pause=0.05),
    ],
    ids=["drip", "informational", "silence"],
)
async def test_a_head_that_never_ends_is_given_up(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media.fetch, "HEAD_SECONDS", 0.5)
    async with listening(answer) as seen:
        with pytest.raises(FetchFailed, match="no answer"):
            await asyncio.wait_for(fetched(f"http://127.0.0.1:{seen.port}/"), 5)


async def test_redirects_share_one_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await redirect("/again")(writer)

    monkeypatch.setattr(media.fetch, "HEAD_SECONDS", 0.5)
    async with listening(slowly) as seen:
        with pytest.raises(FetchFailed, match="no answer"):
            await fetched(f"http://127.0.0.1:{seen.port}/")


async def test_silence_in_the_body_ends_the_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media.fetch, "_TIMEOUT", httpx.Timeout(0.2))
    async with listening(repeats(ENDLESS, b"", pause=0.05)) as seen:
        with pytest.raises(FetchFailed, match="ReadTimeout"):
            await fetched(f"http://127.0.0.1:{seen.port}/")


async def test_the_caller_can_limit_the_time_of_a_body_that_drips() -> None:
    async with listening(repeats(ENDLESS, b"x", pause=0.05)) as seen:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await fetched(f"http://127.0.0.1:{seen.port}/")


async def test_the_caller_can_leave_an_endless_body_and_the_connection_closes() -> None:
    closed = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        try:
            await repeats(ENDLESS, bytes(65536))(writer)
        finally:
            closed.set()

    async with listening(endless) as seen, Fetcher(ONLY_ONE) as fetcher:
        received = 0
        async with fetcher.get(f"http://127.0.0.1:{seen.port}/") as response:
            async for chunk in response.aiter_bytes():
                received += len(chunk)
                if received > 1_000_000:
                    break
        await asyncio.wait_for(closed.wait(), 5)


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "aws-chunked, gzip", "x-made-up"]
)
async def test_a_compressed_answer_is_refused_unread(coding: str) -> None:
    head = f"{HEAD}Content-Encoding: {coding}\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    async with listening(says(head.encode() + BOMB)) as seen:
        with pytest.raises(FetchFailed, match="compressed"):
            await fetched(f"http://127.0.0.1:{seen.port}/")


@pytest.mark.parametrize("coding", ["identity", "aws-chunked", ""])
async def test_a_coding_that_changes_nothing_is_taken(coding: str) -> None:
    async with listening(says(f"{HEAD}Content-Encoding: {coding}\r\nContent-Length: 5\r\n\r\nhello")) as seen:
        assert await fetched(f"http://127.0.0.1:{seen.port}/") == b"hello"


async def test_a_compressed_error_keeps_its_status_and_is_not_decompressed() -> None:
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    async with (
        listening(says(head.encode() + BOMB)) as seen,
        Fetcher(ONLY_ONE) as fetcher,
        fetcher.get(f"http://127.0.0.1:{seen.port}/") as response,
    ):
        assert response.status_code == 403
        assert await response.aread() == BOMB


async def test_bytes_after_the_end_of_an_answer_are_not_the_next_answer() -> None:
    smuggled = f"{HEAD}Content-Length: 5\r\n\r\nhello{HEAD}Content-Length: 4\r\n\r\nevil"

    async def stays_open(writer: asyncio.StreamWriter) -> None:
        await says(smuggled)(writer)
        await asyncio.sleep(0.2)

    async with listening(stays_open) as seen, Fetcher(ONLY_ONE) as fetcher:
        for _ in range(2):
            assert await body(fetcher, f"http://127.0.0.1:{seen.port}/") == b"hello"
