"""Whether the provider can be reached and takes an API key, found out by a question that costs nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import uuid4

import httpx

from manxue.errors import ManxueError, UnknownOutcome, from_status, from_transport
from manxue.vocabulary import RESULT_PATH
from manxue.wire import read_task, said_in

_MAX_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Reached:
    """How the provider answered a question about a task that cannot exist."""

    meaning: ManxueError
    """`NotFound` when it looked for the task, `AuthenticationFailed` when it refuses the key, and so on."""
    date: datetime | None
    """The provider's clock, to the second, where it says the time."""


async def reach_provider(base_url: str, api_key: str | None, seconds: float) -> Reached:
    """Ask for a task that cannot exist, without a key if none is given, and wait `seconds` at most for each step.

    Raises NotSent when no connection can be made, and UnknownOutcome when no whole answer comes.
    """
    headers = {"Accept": "application/json"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    url = base_url.rstrip("/") + RESULT_PATH.format(id=f"doctor-{uuid4().hex}")
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=seconds) as http,
            http.stream("GET", url, headers=headers) as response,
        ):
            content = b""
            async for block in response.aiter_bytes():
                content += block
                if len(content) > _MAX_ANSWER:
                    break
    except (httpx.RequestError, httpx.InvalidURL) as error:
        failure = from_transport(error)  # without its cause: httpx errors hold the request, and with it the key
        raise type(failure)(_without(api_key, str(failure))) from None
    meaning = _meaning(response.status_code, content)
    return Reached(type(meaning)(_without(api_key, str(meaning))), _date(response.headers.get("Date")))


def _meaning(status: int, content: bytes) -> ManxueError:
    try:
        answer = httpx.Response(200, content=content).json()
    except ValueError:
        answer = None
    if not 200 <= status < 300:
        return from_status(status, said_in(answer), None)
    try:
        read_task(answer)
    except ManxueError as error:
        return error
    return UnknownOutcome("the provider says that it has a task which cannot exist")


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC) if header else None
    except (ValueError, OverflowError):
        return None


def _without(api_key: str | None, text: str) -> str:
    return text.replace(api_key, "…") if api_key else text
