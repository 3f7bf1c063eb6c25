"""HTTP/1.1 over connections of our own, which go to addresses that the guard has checked, and nowhere else.

A connection carries one exchange, and has a thread while it waits for its bytes. h11 reads the head. A body of
known length then goes from the socket straight into the caller's memory: clients that hand out bodies in pieces cost
two to five times what curl needs for the same bytes, and those that are faster connect by rules of their own.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import h11
import httpx

import tls
from media.cancellation import to_its_end
from media.guard import AddressGuard, Resolve

T = TypeVar("T")
Receive = Callable[[memoryview], int]
"""Blocking: puts the next bytes of a body into a buffer and says how many; 0 is the proper end. Raises httpx errors."""

_MOST_CONNECTIONS = 140
_MOST_HEAD = 100 * 1024
"""Bytes."""
_PIECE = 64 * 1024


class Connection:
    """One exchange over one connected socket. Everything that waits for the socket runs in a thread of `threads`."""

    def __init__(self, sock: socket.socket, seconds: float | None, threads: Executor) -> None:
        self._socket = sock
        self._socket.settimeout(seconds)
        self._http = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
        self._threads = threads
        self._broken_off = False
        self._early = memoryview(b"")
        """What came of the body together with the head."""
        self._left: int | None = None
        """Bytes of the body that are to come; None where only its end will tell."""

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run `work` in a thread, to its end: cancelled, it breaks the connection off, but waits for `work`."""
        return await to_its_end(asyncio.wrap_future(self._threads.submit(work, *arguments)), self._break_off)

    def close(self) -> None:
        """Close the socket, read to its end or not. Nothing may be running."""
        self._socket.close()

    def _break_off(self) -> None:
        self._broken_off = True
        with suppress(OSError):
            # Not SSLSocket's own `shutdown`: it makes what comes after it be read without TLS.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Put TLS around the socket. The handshake comes with the request. Raises OSError when the server has left."""
        self._socket = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)

    def ask(self, request: httpx.Request, content: bytes) -> tuple[int, httpx.Headers]:
        """Blocking: send the request, and receive the status and the headers of its answer."""
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.do_handshake()
            self._send(
                h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw),
                *([h11.Data(data=content)] if content else []),
                h11.EndOfMessage(),
            )
        except TimeoutError:
            raise httpx.WriteTimeout("") from None
        except OSError as error:
            raise httpx.ConnectError(str(error)) from None
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from None
        while not isinstance(event := self._next_event(), h11.Response):
            pass  # 1xx
        headers = httpx.Headers(event.headers.raw_items())
        if "Transfer-Encoding" in headers:
            headers.pop("Content-Length", None)  # RFC 9112, 6.3: it is not the body's
        elif "Content-Length" in headers and event.status_code not in (204, 304):
            self._left = int(headers["Content-Length"])
            self._early = memoryview(self._http.trailing_data[0])[: self._left]
        return event.status_code, headers

    def _send(self, *events: h11.Event) -> None:
        self._socket.sendall(b"".join(self._http.send(event) or b"" for event in events))

    def receive(self, into: memoryview) -> int:
        """See `Receive`."""
        if self._left is None and not self._early:
            event = self._next_event()
            self._early = memoryview(event.data) if isinstance(event, h11.Data) else self._early
        if self._early:
            size = min(len(into), len(self._early))
            into[:size] = self._early[:size]
            self._early = self._early[size:]
        elif self._left:
            size = self._waited(lambda: self._socket.recv_into(into[: self._left]))
            if not size:
                raise httpx.RemoteProtocolError(f"the connection closed {self._left} bytes before the body's end")
        else:
            size = 0
        if self._left is not None:
            self._left -= size
        return size

    def _next_event(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(self._waited(lambda: self._socket.recv(_PIECE)))
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from None
        if isinstance(event, h11.ConnectionClosed):
            raise httpx.RemoteProtocolError("the connection closed without an answer")
        return event

    def _waited(self, read: Callable[[], T]) -> T:
        if self._broken_off:  # what the system still holds would come before the end
            raise httpx.ReadError("broken off")
        try:
            return read()
        except TimeoutError:
            raise httpx.ReadTimeout("") from None
        except OSError as error:
            raise httpx.ReadError(str(error)) from None


class Body(httpx.AsyncByteStream):
    """The body of an answer: to be iterated over, or taken with `connection.run` and `connection.receive`."""

    def __init__(self, connection: Connection, closed: Callable[[], None]) -> None:
        self.connection = connection
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.connection.run(self._piece):
            yield piece

    def _piece(self) -> bytes:
        buffer = bytearray(_PIECE)
        return bytes(memoryview(buffer)[: self.connection.receive(memoryview(buffer))])

    async def aclose(self) -> None:
        if self._closed:
            self.connection.close()
            self._closed()
            self._closed = None


def connection_of(response: httpx.Response) -> Connection:
    """What an answer of GuardedTransport came over."""
    assert isinstance(response.stream, Body)
    return response.stream.connection


class GuardedTransport(httpx.AsyncBaseTransport):
    """Every request on a new connection, without proxy and cookies: what a server sends after an answer's end is
    nobody's next answer. 140 at a time."""

    def __init__(self, guard: AddressGuard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._slots = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._threads = ThreadPoolExecutor(_MOST_CONNECTIONS, thread_name_prefix="connection")
        self._tls = tls.context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body unread. Raises FetchRefused and httpx.RequestError."""
        content = await request.aread()
        await self._slots.acquire()
        try:
            connection = await self._connect(request)
        except BaseException:
            self._slots.release()
            raise
        body = Body(connection, self._slots.release)
        try:
            status, headers = await connection.run(connection.ask, request, content)
        except BaseException:
            await body.aclose()
            raise
        return httpx.Response(status, headers=headers, stream=body)

    async def aclose(self) -> None:
        """Let the threads end with what runs in them."""
        self._threads.shutdown(wait=False)

    async def _connect(self, request: httpx.Request) -> Connection:
        host, timeout = request.url.raw_host.decode("ascii"), request.extensions.get("timeout", {})
        port = request.url.port or {"http": 80, "https": 443}[request.url.scheme]
        try:
            addresses = await self._resolve(host)
        except (OSError, ValueError) as error:
            raise httpx.ConnectError(f"{host} cannot be resolved ({error})") from None
        failure = httpx.ConnectError(f"{host} has no address")
        for address in self._guard.allowed(host, addresses):
            try:
                async with asyncio.timeout(timeout.get("connect")):
                    sock = await _connected(str(address), port, address.version)
                connection = Connection(sock, timeout.get("read"), self._threads)
                if request.url.scheme == "https":
                    connection.encrypt(self._tls(), host)
            except OSError as error:  # TimeoutError is one
                failure = httpx.ConnectError(str(error) or "no answer")
                continue
            return connection
        raise failure


async def _connected(address: str, port: int, version: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
