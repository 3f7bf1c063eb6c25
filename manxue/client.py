"""The provider's four calls over HTTP. One request each: no retries, no loops; repeating is Temporal's work."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

import httpx

from manxue.answers import AssetState, AssetUpload, CreatedTask, TaskStatus
from manxue.connections import Connection, Connections
from manxue.errors import UnknownOutcome, from_status, from_transport, retry_after_seconds
from manxue.vocabulary import ASSET_STATUS_PATH, ASSET_UPLOAD_PATH, CREATE_PATH, DEFAULT_BASE_URL, RESULT_PATH
from manxue.wire import SAYING, read_asset_states, read_created, read_task, read_upload, said_in

CREATE_TIMEOUT = 60.0
"""Seconds without a byte. Long, because giving up on a create call leaves its outcome unknown."""
QUERY_TIMEOUT = httpx.Timeout(20.0, connect=10.0)
ASSET_TIMEOUT = httpx.Timeout(60.0, connect=10.0)

_PATIENCE = 1.25
"""Times the read timeout: the longest that a whole call may take, 75 s for a create call."""
_MAX_ANSWER = 4 * 1024 * 1024
_HEADERS = {"User-Agent": "manxue-worker", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
_SHORT, _LONG = 8, 16
"""Characters of a whole query, and of a value in it, that may be a signature: `?v=2` is none, and in many a text."""


@dataclass
class Call:
    """One call, for who watches it."""

    name: str
    """`create`, `query`, `upload_assets` or `asset_states`."""
    status: int | None = None
    """Of the HTTP answer; None while there is none."""


Watch = Callable[[Call], AbstractContextManager[object]]
"""Entered before a call is sent, left when its answer was read or with what went wrong."""


class ManxueClient:
    """All calls raise a `manxue.errors.ManxueError`. One instance, with its connections, serves a whole worker."""

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        create_timeout: float = CREATE_TIMEOUT,
        watch: Watch = nullcontext,
    ) -> None:
        self._api_key = api_key
        self._watch = watch
        self._create_timeout = httpx.Timeout(create_timeout, connect=min(10.0, create_timeout))
        self._base_url = base_url.rstrip("/")
        self._headers = httpx.Headers({**_HEADERS, "Authorization": f"Bearer {api_key}"})
        self._connections = Connections()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def create(self, body: dict[str, Any]) -> CreatedTask:
        """Create a task. **Not idempotent**: each accepted call is a render, and is billed."""
        return read_created(
            await self._call(Call("create"), "POST", CREATE_PATH, body, self._create_timeout, self._connections.fresh())
        )

    async def query(self, task_id: str) -> TaskStatus:
        """Ask for a task's status; a completed one answers with a fresh temporary URL."""
        path = RESULT_PATH.format(id=quote(task_id, safe=""))
        return read_task(await self._call(Call("query"), "GET", path, None, QUERY_TIMEOUT))

    async def upload_assets(self, images: list[str], videos: list[str], audios: list[str]) -> AssetUpload:
        """Submit media for review. Not idempotent: a second call makes second assets (they cost nothing)."""
        lists = {"imageUrls": images, "videoUrls": videos, "audioUrls": audios}
        body = {name: urls for name, urls in lists.items() if urls}
        answer = await self._call(Call("upload_assets"), "POST", ASSET_UPLOAD_PATH, body, ASSET_TIMEOUT)
        return read_upload(answer, [*images, *videos, *audios])

    async def asset_states(self, asset_ids: list[str]) -> dict[str, AssetState]:
        """Ask for the review states of assets. An id that is missing from the answer was not looked up: ask again."""
        answer = await self._call(
            Call("asset_states"), "POST", ASSET_STATUS_PATH, {"assetIds": asset_ids}, ASSET_TIMEOUT
        )
        return read_asset_states(answer)

    async def _call(
        self,
        call: Call,
        method: str,
        path: str,
        body: Any,
        limits: httpx.Timeout,
        connection: Connection | None = None,
    ) -> Any:
        with self._watch(call):
            return await self._answer(call, connection or self._connections.kept(), method, path, body, limits)

    async def _answer(
        self, call: Call, connection: Connection, method: str, path: str, body: Any, limits: httpx.Timeout
    ) -> Any:
        # httpx's read timeout restarts with each byte; this one does not, so a slow drip ends too.
        try:
            url, told = f"{self._base_url}{path}", {"timeout": limits.as_dict()}
            request = httpx.Request(method, url, headers=self._headers, json=body, extensions=told)
            async with (
                asyncio.timeout(_PATIENCE * (limits.read or 0)),
                connection as transport,  # not httpx's client, which keeps cookies and takes a fifth of a call's time
                aclosing(await transport.handle_async_request(request)) as response,
            ):
                call.status = response.status_code
                content = await _read_bounded(response)
        except TimeoutError:
            raise UnknownOutcome("the provider did not finish its answer in time") from None
        except (httpx.RequestError, httpx.InvalidURL) as error:
            failure = from_transport(error)  # without its cause: httpx errors hold the request, and with it the key
            raise type(failure)(_without(str(failure), [self._api_key])) from None
        secrets = [*_signatures(body), self._api_key]
        answer = _parsed(content, secrets)
        if not response.is_success:
            said = said_in(answer) or ("" if answer is not None else _without(_start_of(content), secrets))
            raise from_status(response.status_code, said, retry_after_seconds(response.headers.get("Retry-After")))
        if answer is None:
            raise UnknownOutcome(f"the provider answered {response.status_code} with something that is not JSON")
        return answer


def _parsed(content: bytes, secrets: list[str]) -> Any:
    """The JSON value, or None. What the provider says in it loses the API key and the signatures, should it quote them.

    All else stays as it came: an id that lost a letter is another task's.
    """
    try:
        return _unquoted(json.loads(content), secrets)
    except (ValueError, RecursionError):
        return None


def _unquoted(value: Any, secrets: list[str], said: bool = False) -> Any:
    if isinstance(value, str) and said:
        return _without(value, secrets)
    if isinstance(value, list):
        return [_unquoted(item, secrets, said) for item in value]
    if isinstance(value, dict):
        return {name: _unquoted(item, secrets, said or name in SAYING) for name, item in value.items()}
    return value


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _signatures(body: Any) -> list[str]:
    """What may be secret in the URLs of a call, as the provider may quote it: queries and their longer values."""
    queries = [query for url in _strings(body) if "://" in url and len(query := url.partition("?")[2]) >= _SHORT]
    values = [value for query in queries for part in query.split("&") if len(value := part.partition("=")[2]) >= _LONG]
    spelled = {form for text in (*queries, *values) for form in (text, unquote(text), quote(text, safe=""))}
    return sorted(spelled, key=len, reverse=True)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


async def _read_bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    async for block in response.aiter_bytes():
        content += block
        if len(content) > _MAX_ANSWER:
            raise UnknownOutcome(f"the provider's answer is larger than {_MAX_ANSWER} bytes")
    return bytes(content)


def _start_of(content: bytes) -> str:
    return " ".join(content[:200].decode("utf-8", "replace").split())
