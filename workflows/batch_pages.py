"""The requests of a batch: kept outside its own history, checked all before the first, read as they are due."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, WorkflowAlreadyStartedError

from activities.request_pages import LineProblem, RequestPages
from manxue.batch import RELEASE_SIGNAL, REQUEST_PAGE, BatchLine, PageRef, RequestPage, lines_of, pages
from manxue.failure import FailureType
from workflows.failures import end_by, failure
from workflows.policies import CHECK_PAGE, READ_PAGE, told

_CHECKED_AT_ONCE = 10
_PROBLEMS_TOLD = 100
_RELEASED_AT_ONCE = 500
"""Temporal allows 2,000 signals on their way."""


async def keep(requests: list[Any]) -> list[PageRef]:
    """Start a `RequestPage` for each part of the requests that came with the argument."""
    batch_id = workflow.info().workflow_id
    made = pages(batch_id, lines_of(batch_id, requests))
    for ref, page in made:
        await _start(ref, page)
    return [ref for ref, _ in made]


async def _start(ref: PageRef, page: RequestPage) -> None:
    try:
        await workflow.start_child_workflow(
            REQUEST_PAGE, page, id=ref.id, parent_close_policy=workflow.ParentClosePolicy.ABANDON
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.debug("page.kept_already", extra={"page": ref.id})  # its id follows from its content


async def check(refs: list[PageRef]) -> None:
    """Fails with InvalidRequest and what is wrong with any line."""
    turns = asyncio.Semaphore(_CHECKED_AT_ONCE)

    async def one(ref: PageRef) -> list[LineProblem]:
        async with turns:
            summary = f"check {ref.lines} requests"
            return await workflow.execute_activity_method(RequestPages.check_page, ref.id, **told(CHECK_PAGE, summary))

    try:
        found = [wrong for page in await asyncio.gather(*map(one, refs)) for wrong in page]
    except ActivityError as error:
        end_by(error, FailureType.DEADLINE_EXCEEDED)
    if found:
        told_of = [
            wrong.problem.model_copy(update={"field": f"line {wrong.number}: {wrong.problem.field}"})
            for wrong in found[:_PROBLEMS_TOLD]
        ]
        bad = len({wrong.number for wrong in found})
        message = f"{bad} of the requests break rules, so none was started: {'; '.join(map(str, told_of))}"
        raise failure(FailureType.INVALID_REQUEST, message[:2000], problems=told_of)


async def release(refs: list[PageRef]) -> None:
    """The pages are needed no more."""

    async def one(ref: PageRef) -> None:
        try:
            await workflow.get_external_workflow_handle(ref.id).signal(RELEASE_SIGNAL)
        except FailureError:
            workflow.logger.debug("page.gone", extra={"page": ref.id})

    for start in range(0, len(refs), _RELEASED_AT_ONCE):
        await asyncio.gather(*map(one, refs[start : start + _RELEASED_AT_ONCE]))


class Pages:
    """The page that is being read; what comes before and after it is not in memory."""

    def __init__(self) -> None:
        self._id = ""
        self._lines: list[BatchLine] = []

    async def line(self, refs: list[PageRef], place: int) -> BatchLine:
        """The line at a place, counted over all pages from 0."""
        for ref in refs:
            if place < ref.lines:
                if ref.id != self._id:
                    page = await workflow.execute_activity_method(
                        RequestPages.read_page, ref.id, **told(READ_PAGE, f"read {ref.lines} requests")
                    )
                    self._id, self._lines = ref.id, page.lines
                return self._lines[place]
            place -= ref.lines
        raise IndexError(place)
