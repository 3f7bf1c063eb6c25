"""Temporal Schedules that start `GenerateVideo`: made, found, changed, asked for runs. Prints nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import Priority, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from activities.not_found import is_gone
from manxue.checked_request import CheckedRequest
from manxue.markdown import code, text
from starter.execution import NotPossible
from starter.schedule_times import times_of
from workflows.contract import GENERATE_VIDEO
from workflows.user_metadata import static_details, static_summary

MOST_BACKFILLED = 1000
"""Times that the server counts, and queues, at once."""
_MODEL, _TENANT = SearchAttributeKey.for_keyword("ManxueModel"), SearchAttributeKey.for_keyword("ManxueTenant")
_PLANNED_FOR = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
_SECOND = timedelta(seconds=1)
_LOOKS, _BETWEEN_LOOKS = 50, 0.2
"""How often, and after how many seconds, it is looked whether a triggered run has started."""


class ScheduleNotFound(Exception):
    """No schedule of renders has this name."""


class ScheduleExists(Exception):
    """The name is taken."""


class ScheduleRefused(Exception):
    """The server does not take the schedule; the text is its reason."""


@dataclass(frozen=True)
class Backfill:
    """A span of past times, and what running them would mean."""

    start: datetime
    end: datetime
    times: int
    bought: int
    """How many of them a run has bought before: that is found again, and not bought again."""


@dataclass(frozen=True)
class Recurring:
    """One schedule, as it was when it was looked up."""

    client: Client
    handle: ScheduleHandle
    description: ScheduleDescription

    @classmethod
    async def find(cls, client: Client, name: str) -> Self:
        """Look a schedule up. Raises ScheduleNotFound, also for one that starts something else."""
        handle = client.get_schedule_handle(name)
        try:
            description = await handle.describe()
        except RPCError as error:
            if not is_gone(error):
                raise
            raise ScheduleNotFound(f"there is no schedule {name!r} in the namespace {client.namespace}") from None
        action = description.schedule.action
        if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != GENERATE_VIDEO:
            raise ScheduleNotFound(f"the schedule {name!r} does not start {GENERATE_VIDEO}")
        return cls(client, handle, description)

    @property
    def action(self) -> ScheduleActionStartWorkflow:
        """What it starts."""
        action = self.description.schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        return action

    async def fields(self) -> dict[str, Any]:
        """The input of its runs; empty when it is no JSON object."""
        given = self.action.args[:1]  # payloads, as the server has them
        values = (await self.client.data_converter.decode(given))[0] if given else None
        return values if isinstance(values, dict) else {}

    async def change(
        self, changed: Callable[[Schedule], Schedule], request: CheckedRequest | None, fields: Mapping[str, Any]
    ) -> None:
        """Put what `changed` makes of what is there now in its place. Raises ScheduleRefused.

        It may have been paused since it was looked up, or have started one of its limited number of runs.
        """

        def update(now: ScheduleUpdateInput) -> ScheduleUpdate:
            attributes = _search_attributes(request, fields) if request else None
            return ScheduleUpdate(changed(now.description.schedule), attributes)

        try:
            await self.handle.update(update)
        except RPCError as error:
            raise _refused(error) from error

    async def trigger(self, overlap: ScheduleOverlapPolicy | None) -> str:
        """Start a run now and name it. Raises NotPossible when none starts, with the reason."""
        for last in self.description.info.recent_actions[-1:]:  # a second one within a second would silently be none
            left = last.scheduled_at + _SECOND - datetime.now(UTC)
            await asyncio.sleep(min(left, _SECOND).total_seconds())  # no longer where this machine's clock is behind
        await self.handle.trigger(overlap=overlap)
        before = self.description
        known = [result.action for result in before.info.recent_actions]
        for _ in range(_LOOKS):
            now = await self.handle.describe()
            for result in reversed(now.info.recent_actions):
                if isinstance(result.action, ScheduleActionExecutionStartWorkflow) and result.action not in known:
                    return result.action.workflow_id
            if now.raw_description.info.buffer_size > before.raw_description.info.buffer_size:
                raise NotPossible("it waits until the run that goes on is done, as the schedule's overlap policy says")
            if now.info.num_actions_skipped_overlap > before.info.num_actions_skipped_overlap:
                raise NotPossible("none was started: another run goes on, and the schedule's overlap policy is to skip")
            await asyncio.sleep(_BETWEEN_LOOKS)
        raise NotPossible("Temporal took the request, but no run has been seen to start")

    async def backfill(self, start: datetime, end: datetime) -> Backfill:
        """What running the times from `start` to `end`, both included, would mean.

        Raises NotPossible for more than MOST_BACKFILLED times.
        """
        times = await self._matching(start - _SECOND, end)
        if times >= MOST_BACKFILLED:
            raise NotPossible(f"there are {MOST_BACKFILLED} or more times; take them in shorter spans")
        return Backfill(start, end, times, await self._bought(start, end))

    async def run(self, backfill: Backfill, overlap: ScheduleOverlapPolicy) -> None:
        """Start the runs of past times."""
        await self.handle.backfill(ScheduleBackfill(backfill.start, backfill.end, overlap))

    async def _matching(self, after: datetime, until: datetime) -> int:
        asked = ListScheduleMatchingTimesRequest(
            namespace=self.client.namespace,
            schedule_id=self.handle.id,
            start_time=_timestamp(after),
            end_time=_timestamp(until),
        )
        return len((await self.client.workflow_service.list_schedule_matching_times(asked)).start_time)

    async def _bought(self, start: datetime, end: datetime) -> int:
        """Of the planned times, as far as they can be told from those of triggered runs."""
        times = times_of(self.description.schedule.spec)
        # A second more on either side: the bounds of BETWEEN do not reliably count.
        span = f"BETWEEN '{(start - _SECOND).isoformat()}' AND '{(end + _SECOND).isoformat()}'"
        bought = f'TemporalScheduledById = "{self.handle.id}" AND ManxueTaskId IS NOT NULL'
        query = f"{bought} AND TemporalScheduledStartTime {span}"
        found = {run.typed_search_attributes.get(_PLANNED_FOR) async for run in self.client.list_workflows(query)}
        within = [moment for moment in found if moment and start <= moment <= end]
        return sum(times is not None and times.between(moment - _SECOND, moment) == 1 for moment in within)


async def create(
    client: Client, name: str, schedule: Schedule, request: CheckedRequest, fields: Mapping[str, Any]
) -> Recurring:
    """Make a schedule. Raises ScheduleExists and ScheduleRefused."""
    attributes = _search_attributes(request, fields)
    try:
        await client.create_schedule(name, schedule, search_attributes=attributes)
    except ScheduleAlreadyRunningError:
        raise ScheduleExists(
            f"there is a schedule {name!r} already; change it: manxue schedule update {name}, or take another name"
        ) from None
    except RPCError as error:
        raise _refused(error) from error
    return await Recurring.find(client, name)


def action(
    name: str, task_queue: str, fields: Mapping[str, Any], request: CheckedRequest, when: str
) -> ScheduleActionStartWorkflow:
    """What a schedule starts. `request` is one of its requests filled in, `when` its times in words, for display."""
    body = fields.get("request")
    prompt = body.get("prompt") if isinstance(body, dict) else None
    shown = request.model_copy(update={"prompt": prompt}) if isinstance(prompt, str) else request
    return ScheduleActionStartWorkflow(
        GENERATE_VIDEO,
        dict(fields),
        id=name,
        task_queue=task_queue,
        priority=Priority(priority_key=fields.get("priority"), fairness_key=fields.get("tenant")),
        static_summary=static_summary(shown),
        static_details=f"Started by the schedule {code(name)}, {text(when)}. The request before its placeholders are "
        f"filled in:\n\n{static_details(shown)}",
    )


def with_input(before: ScheduleActionStartWorkflow, after: ScheduleActionStartWorkflow) -> ScheduleActionStartWorkflow:
    """`before` with what the input of `after` decides. What else somebody has set, such as timeouts, stays."""
    action = copy(before)
    action.args, action.priority = after.args, after.priority
    action.static_summary, action.static_details = after.static_summary, after.static_details
    return action


async def schedules(client: Client) -> AsyncIterator[ScheduleListDescription]:
    """The schedules of renders. Lists follow what is so with a delay of about a second."""
    async for listed in await client.list_schedules():
        started = listed.schedule.action if listed.schedule else None
        if isinstance(started, ScheduleListActionStartWorkflow) and started.workflow == GENERATE_VIDEO:
            yield listed


def _search_attributes(request: CheckedRequest, fields: Mapping[str, Any]) -> TypedSearchAttributes:
    pairs = [SearchAttributePair(_MODEL, request.model[:250])]
    if tenant := fields.get("tenant"):
        pairs.append(SearchAttributePair(_TENANT, tenant))
    return TypedSearchAttributes(pairs)


def _refused(error: RPCError) -> Exception:
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return ScheduleRefused(f"Temporal does not take the schedule: {error.message}")
    return error


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
