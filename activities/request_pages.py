"""The requests of a batch, read from the `RequestPage` executions that keep them."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.heartbeat import heartbeating
from manxue.batch import RequestPage
from manxue.problem import Problem

_MOST_PROBLEMS = 20
"""Told of one page; the failure that tells of them all is limited too."""


class LineProblem(BaseModel):
    """What is wrong with one line."""

    number: int
    problem: Problem


class RequestPages:
    """Reads and checks pages. `check` finds what is wrong with one input of `GenerateVideo`."""

    def __init__(self, check: Callable[[dict[str, Any]], list[Problem]]) -> None:
        self._check = check

    @activity.defn(name="read_page")
    async def read_page(self, page_id: str) -> RequestPage:
        """The page, from its first event: that is there also when no worker has seen it yet."""
        client = activity.client()
        async for event in client.get_workflow_handle(page_id).fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            page: RequestPage = (await client.data_converter.decode(payloads, [RequestPage]))[0]
            return page
        raise LookupError(f"{page_id} has no history")

    @activity.defn(name="check_page")
    async def check_page(self, page_id: str) -> list[LineProblem]:
        """What is wrong with its lines, in their order."""
        async with heartbeating():
            page = await self.read_page(page_id)
            found = [(line.number, problem) for line in page.lines for problem in self._check(line.input)]
        return [LineProblem(number=number, problem=problem) for number, problem in found[:_MOST_PROBLEMS]]
