"""Questions that come within a moment of each other, put to the provider as one call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from manxue.errors import Refused

Answer = TypeVar("Answer")


class Batcher(Generic[Answer]):
    """`ask` from many tasks; `call` gets all keys of a moment and answers by key. What it raises, all of them raise."""

    def __init__(
        self, call: Callable[[list[str]], Awaitable[dict[str, Answer]]], seconds: float = 0.3, most: int = 50
    ) -> None:
        self._call = call
        self._seconds = seconds
        self._most = most
        self._waiting: dict[str, asyncio.Future[Answer | None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, key: str) -> Answer | None:
        """The answer for a key; None when the call's answer leaves it out."""
        if not self._waiting:
            self._begin(self._after_a_moment())
        future = self._waiting.setdefault(key, asyncio.get_running_loop().create_future())
        if len(self._waiting) >= self._most:
            self._begin(self._flush())
        return await asyncio.shield(future)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _after_a_moment(self) -> None:
        await asyncio.sleep(self._seconds)
        await self._flush()

    async def _flush(self) -> None:
        asked, self._waiting = self._waiting, {}
        if asked:
            await self._send(asked)

    async def _send(self, asked: dict[str, asyncio.Future[Answer | None]]) -> None:
        try:
            answers = await self._call(list(asked))
        except Refused as error:
            if len(asked) > 1:  # whose fault it is, only a call for each can tell
                await asyncio.gather(*(self._send({key: future}) for key, future in asked.items()))
            else:
                self._fail(asked, error)
        except Exception as error:
            self._fail(asked, error)
        else:
            for key, future in asked.items():
                future.set_result(answers.get(key))

    @staticmethod
    def _fail(asked: dict[str, "asyncio.Future[Answer | None]"], error: Exception) -> None:
        for future in asked.values():
            future.set_exception(error)
            future.exception()  # seen, also when whoever asked has gone
