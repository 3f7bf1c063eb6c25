"""Whether those whom a run is to notify can be told at all, found out before anything is paid."""

import asyncio
from collections.abc import Sequence

from manxue.problem import Problem, problem
from media.guard import FetchFailed, FetchRefused
from media.post import Poster

_NO_SECRETS = "the worker cannot sign notifications: set MANXUE_WEBHOOK_SECRETS in its environment, or leave this out"


class Receivers:
    """Looks at the URLs of `notify`."""

    def __init__(self, poster: Poster, *, can_sign: bool) -> None:
        self._poster = poster
        self._can_sign = can_sign

    def problems(self, urls: Sequence[str]) -> list[Problem]:
        """What is known without a look at the network."""
        return [problem("notify", "unavailable", None, _NO_SECRETS)] if urls and not self._can_sign else []

    async def look_up(self, urls: Sequence[str]) -> tuple[list[Problem], list[Problem]]:
        """What is wrong, and what is worth a warning: a host that has no address now may have one later."""
        found = await asyncio.gather(*(self._look_up(number, url) for number, url in enumerate(urls)))
        wrong = [one for one in found if one and one.rule == "url"]
        return wrong, [one for one in found if one and one.rule != "url"]

    async def _look_up(self, number: int, url: str) -> Problem | None:
        field = f"notify[{number}].url"
        try:
            await self._poster.look_up(url)
        except FetchRefused as error:
            return problem(field, "url", url, str(error))
        except FetchFailed as error:
            return problem(field, "unreachable", url, f"{error}; it is tried all the same")
        return None
