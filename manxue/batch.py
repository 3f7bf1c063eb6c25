"""A batch's requests and how their runs end, as workflows, activities and those who start batches speak of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

REQUEST_PAGE = "RequestPage"
"""The workflow that keeps a part of a batch's requests for as long as the batch goes on. Argument: `RequestPage`."""
RELEASE_SIGNAL = "release"
"""To a `RequestPage`: it is needed no more."""

MOST_PAGE_LINES = 250
MOST_PAGE_BYTES = 256 * 1024
"""A page is read into a history each time the batch needs it; Temporal's own limit is 2 MB."""


class BatchLine(BaseModel):
    """One request of a batch."""

    number: int
    """Where it stands: the line of its file, or its place in a list, from 1."""
    workflow_id: str
    """Of its run of `GenerateVideo`."""
    input: dict[str, Any]
    """A `GenerateVideoInput` as JSON."""
    again: bool = False
    """Its run ended without a video, and is started again under the same id: what was bought by then is adopted."""
    adopted: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    """The `task_id` in its input is what an earlier run of it has bought. Left out where it is not so: the ids of pages
    follow from their content."""


class RequestPage(BaseModel):
    """Some lines of a batch, in order."""

    lines: list[BatchLine]


class PageRef(BaseModel):
    """Where a page is."""

    id: str
    """The workflow id of its `RequestPage`."""
    lines: int
    """How many requests it has."""


class RunRef(BaseModel):
    """The run of one line."""

    number: int
    """Of its request in the batch, from 1."""
    workflow_id: str
    """Of its run of `GenerateVideo`."""


class RunEnd(RunRef):
    """How a run ended."""

    status: Literal["completed", "failed", "canceled", "terminated", "timed_out"]
    """Temporal's word for it."""
    failure: str | None = None
    """The failure's type, as in the failure of a single run; null where there is none."""
    message: str | None = None
    """What happened, as a sentence for people."""
    task_id: str | None = None
    """The provider's task, where the failure names one."""


def as_input(given: Any) -> dict[str, Any]:
    """A request in either of its forms, whole or only the provider's create-task body, as a `GenerateVideoInput`."""
    return given if isinstance(given, dict) and "request" in given else {"request": given}


def fingerprint(fields: Mapping[str, Any], contents: Mapping[str, str] | None = None) -> str:
    """Of what is rendered and paid for; how often to ask and where to put the file may differ.

    `contents` maps references to names of their content: the same content is the same request, wherever it lies.
    """
    paid_for = {name: fields.get(name) for name in ("request", "extra", "task_id")}
    if "template" in fields:
        paid_for["template"] = fields["template"]
    text = json.dumps(paid_for, sort_keys=True)
    for reference, name in (contents or {}).items():
        text = text.replace(json.dumps(reference), json.dumps(name))
    return hashlib.sha256(text.encode()).hexdigest()


def run_ids(batch_id: str, fingerprints: Iterable[str]) -> list[str]:
    """The workflow ids of a batch's runs: the same request has the same id, wherever in the file it stands.

    The second of two equal requests is a render of its own.
    """
    seen: Counter[str] = Counter()
    ids = []
    for name in fingerprints:
        seen[name] += 1
        ids.append(f"{batch_id}:{name[:16]}" + (f"-{seen[name]}" if seen[name] > 1 else ""))
    return ids


def lines_of(batch_id: str, requests: Iterable[Any]) -> list[BatchLine]:
    """A list of requests as the lines of a batch."""
    inputs = [as_input(given) for given in requests]
    ids = run_ids(batch_id, map(fingerprint, inputs))
    return [
        BatchLine(number=number, workflow_id=run_id, input=given)
        for number, (run_id, given) in enumerate(zip(ids, inputs, strict=True), 1)
    ]


def pages(batch_id: str, lines: Iterable[BatchLine]) -> list[tuple[PageRef, RequestPage]]:
    """The lines in pages of limited size, each under an id that follows from its content."""
    cut: list[list[BatchLine]] = []
    size = 0
    for line in lines:
        bytes_ = len(line.model_dump_json())
        if not cut or len(cut[-1]) >= MOST_PAGE_LINES or size + bytes_ > MOST_PAGE_BYTES:
            cut.append([])
            size = 0
        cut[-1].append(line)
        size += bytes_
    made = [RequestPage(lines=part) for part in cut]
    return [(PageRef(id=_page_id(batch_id, page), lines=len(page.lines)), page) for page in made]


def _page_id(batch_id: str, page: RequestPage) -> str:
    return f"{batch_id}:requests-{hashlib.sha256(page.model_dump_json().encode()).hexdigest()[:16]}"
