"""Look-ups of names that somebody else supplied, in threads of their own.

A look-up cannot be broken off, and takes ten seconds and more when nobody answers for the name. The event loop has few
threads for that (uvloop: two), and looks up the provider's name in them.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from media.guard import Address

_AT_ONCE, _OF_ONE_DOMAIN = 16, 4
"""Look-ups. The owner of a domain has as many names as he likes, and may leave all of them unanswered."""
_MOST_WAIT = 10.0
"""Seconds until a look-up begins."""


class Names:
    """A `Resolve`: asks the system. Whoever asks for a name that is being looked up already waits for that."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="names")
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._turns_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """Domain -> its own; kept by those who wait for it, or hold it."""
        self._running: dict[str, asyncio.Task[list[Address] | Exception]] = {}

    async def __call__(self, host: str) -> list[Address]:
        """Every address that the system knows for a name, or for an address in any spelling.

        Raises ValueError, and OSError, also when too many other names are being looked up.
        """
        running = self._running.get(host)
        if not running:
            running = self._running[host] = asyncio.create_task(self._look_up(host))
            running.add_done_callback(lambda _: self._running.pop(host))
        found = await asyncio.shield(running)  # who gives up leaves it to the others, and its thread has to end anyway
        if isinstance(found, Exception):
            raise found
        return found

    async def _look_up(self, host: str) -> list[Address] | Exception:
        """An error is returned, since there may be nobody left who would take it."""
        domain = ".".join(host.lower().rstrip(".").split(".")[-2:])
        turns = self._turns_of.setdefault(domain, asyncio.Semaphore(_OF_ONE_DOMAIN))
        try:
            async with asyncio.timeout(_MOST_WAIT) as wait, turns, self._turns:
                wait.reschedule(None)
                return await asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host)
        except TimeoutError:
            return OSError("too many names are being looked up")
        except (OSError, ValueError) as error:
            return error


def _addresses(host: str) -> list[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))
