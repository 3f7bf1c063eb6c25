"""The provider's JSON, read into types. Every documented and every reported form is understood; unknown fields are
ignored. A form that nobody described raises UnknownOutcome: never guess."""

import re
from math import isfinite
from typing import Any

from manxue.answers import (
    AssetState,
    AssetUpload,
    Completed,
    CreatedTask,
    Failed,
    Processing,
    Queued,
    TaskStatus,
    Unrecognized,
)
from manxue.errors import ManxueError, UnknownOutcome, refusal
from manxue.redact import capped
from manxue.task_id import is_task_id

JSONObject = dict[str, Any]

SAYING = ("msg", "message", "error", "errorMessage")
"""The fields in which the provider speaks to people."""


def read_created(answer: Any) -> CreatedTask:
    """Read the answer to a create call that came under a 2xx status.

    Raises Refused (or a kind of it) for a definite no, UnknownOutcome for anything that is neither yes nor no, or both.
    """
    if not isinstance(answer, dict):
        raise _neither("no task id and is no refusal either")
    data = answer.get("data")
    given = (data.get("projectId") if isinstance(data, dict) else None, answer.get("id"))
    task_id = next((str(value) for value in given if _is_id(value)), None)
    failed = _word(answer.get("status")) == "failed"
    if task_id and not failed and code_of(answer) not in (0, None):
        raise _neither(f"the code {code_of(answer)}, as a refusal has, and the task id {task_id!r}")
    _raise_for_code(answer)
    if failed or (task_id is None and answer.get("id", "") is None):
        raise refusal(f"the provider refused the task: {said_in(answer) or 'no reason given'}", None)
    if task_id is None:
        raise _neither("no task id and is no refusal either")
    if not is_task_id(task_id):
        raise _neither(f"{task_id!r}, which is no task id, and is no refusal either")
    return CreatedTask(task_id, _whole(answer.get("created")))


def _neither(what: str) -> UnknownOutcome:
    return UnknownOutcome(f"the provider's answer to the create call has {what}")


def read_task(answer: Any) -> TaskStatus:
    """Read the answer to a query. Raises Refused when its `code` is not 0, UnknownOutcome when it has no status."""
    _raise_for_code(answer)
    body = _unwrapped(answer)
    match _word(body.get("status")):
        case "queued":
            return Queued()
        case "processing":
            return Processing(_percent(body.get("progress")))
        case "completed":
            url = body.get("video_url")
            return Completed(
                video_url=url.strip() or None if isinstance(url, str) else None,
                actual_duration=_number(body.get("actualDuration")),
                created=_whole(body.get("created")),
                amount=_number(body.get("amount")),
            )
        case "failed":
            return Failed(said_in(body) or "the provider gave no reason")
        case "cancelled" | "canceled":
            return Failed(said_in(body) or "the provider cancelled the task")
        case "":
            raise UnknownOutcome("the provider's answer to the query has no status")
        case _:
            return Unrecognized(str(body["status"])[:60])


def read_upload(answer: Any, sent: list[str]) -> AssetUpload:
    """Read the answer to an asset upload of the URLs `sent`."""
    items, failed = _items(answer)
    accepted = {str(i.get("originalUrl")): str(i["assetId"]) for i in items if _is_asset_id(i.get("assetId"))}
    refused = {str(i.get("originalUrl")): _reason(i) for i in failed}
    return AssetUpload(
        {url: accepted[url] for url in sent if url in accepted},
        {url: refused[url] for url in sent if url in refused and url not in accepted},
        [url for url in sent if url not in accepted and url not in refused],
    )


def read_asset_states(answer: Any) -> dict[str, AssetState]:
    """Read the answer to a status call: asset id -> state. A failed look-up or an omitted id is simply not in it."""
    items, _ = _items(answer)
    return {str(i["assetId"]): _asset_state(i.get("status")) for i in items if _is_asset_id(i.get("assetId"))}


def said_in(answer: Any) -> str:
    """The provider's own words in an answer: `msg`, `message`, or `error` (a string or `{"message": ...}`).

    Cut short and without query strings: they can be of any length, and quote a signed URL.
    """
    if not isinstance(answer, dict):
        return ""
    for name in SAYING:
        value = answer.get(name)
        if isinstance(value, dict):
            value = value.get("message") or value.get("msg") or value.get("code")
        if value:
            return capped(str(value))
    return ""


def code_of(answer: Any) -> int | str | None:
    """The `code` of an answer, as a number where it is one; success is 0, as a string or as a number."""
    code = answer.get("code") if isinstance(answer, dict) else None
    return int(code) if code is not None and re.fullmatch(r"-?\d{1,9}", str(code)) else code


def _raise_for_code(answer: Any) -> None:
    code = code_of(answer)
    if code in (0, None):
        return
    raise _coded(code, said_in(answer))


def _coded(code: int | str | None, said: str) -> ManxueError:
    return refusal(
        f"the provider refused with code {code}: {said or 'no reason given'}", code if isinstance(code, int) else None
    )


def _unwrapped(answer: Any) -> JSONObject:
    if not isinstance(answer, dict):
        raise UnknownOutcome("the provider's answer is not a JSON object")
    data = answer.get("data")
    return data if "status" not in answer and isinstance(data, dict) else answer


def _items(answer: Any) -> tuple[list[JSONObject], list[JSONObject]]:
    if code_of(answer) is None:
        raise UnknownOutcome("the provider's answer about assets has no code")
    _raise_for_code(answer)
    data = answer.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("items") or [], list):
        raise UnknownOutcome("the provider's answer about assets has no items")
    lists = (data.get("items") or [], data.get("failedItems") or [])
    items, failed = ([i for i in entries if isinstance(i, dict)] for entries in lists)
    return items, failed


def _reason(item: JSONObject) -> str:
    return said_in(item) or "the provider gave no reason"


def _asset_state(value: Any) -> AssetState:
    by_word = {state.lower(): state for state in AssetState}
    return by_word.get(_word(value), AssetState.UNKNOWN)


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _is_id(value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or (isinstance(value, int) and not isinstance(value, bool))


def _is_asset_id(value: Any) -> bool:
    """One that a request can name as `asset://ID`; anything else counts as left out of the answer."""
    return _is_id(value) and is_task_id(str(value))


def _number(value: Any) -> float | None:
    """A finite number; beside what was asked for, anything else is as good as left out."""
    try:
        number = None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 1e15 else None


def _percent(value: Any) -> float | None:
    number = _number(value.strip().rstrip("%") if isinstance(value, str) else value)
    return min(max(number, 0.0), 100.0) if number is not None else None
