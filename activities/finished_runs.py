"""How long renders took, read from Temporal itself: the memos of the finished runs of one model.

A run leaves what it saw in its memo, beside how it ended. The server's list brings memos along, so that one call,
every few minutes, brings all; to read the results would take a call for each run.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from pydantic import ValidationError
from temporalio import activity
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from activities.visibility import quoted
from manxue.checked_request import CheckedRequest
from manxue.render_times import Observed, RenderTimes, learn

log = structlog.stdlib.get_logger("finished_runs")

RENDER_MEMO = "render"
"""The memo's name; an `Observed` with `provider`."""

_TASK_ID = SearchAttributeKey.for_keyword("ManxueTaskId")
_MOST_RUNS = 100
"""The newest ones: providers change."""
_MOST_MODELS = 64
_PATIENCE = 1.0
"""Seconds that a run waits for the list, beside its other checks; after that it goes by what was known before."""
_LONGEST_LOOK = timedelta(seconds=15)
_GOOD_FOR, _GOOD_FOR_EACH = 300.0, 10.0
"""Seconds that a list is good for: as many runs as it has times the latter, up to the former. The first few count."""
_AFTER_FAILURE = 60.0


@dataclass
class _Known:
    """What is known of one model."""

    finished: list[Observed] = field(default_factory=list)
    good_until: float = 0.0
    """By the monotonic clock."""
    taught: dict[tuple[int, str], RenderTimes] = field(default_factory=dict)
    look: asyncio.Task[None] | None = None


class FinishedRuns:
    """The runs on the worker's task queue, as far as they were at the same provider."""

    def __init__(self, base_url: str) -> None:
        self._provider = hashlib.sha256(base_url.encode()).hexdigest()[:12]
        self._models: dict[str, _Known] = {}

    def look_up(self, model: str) -> None:
        """Begin to look for finished runs of the model, unless what is known is fresh. Returns at once."""
        if len(self._models) >= _MOST_MODELS and model not in self._models:
            self._models.clear()  # names that nobody checks can be sent on purpose
        known = self._models.setdefault(model, _Known())
        if known.look is None and time.monotonic() >= known.good_until:
            client, task_queue = activity.client(), activity.info().task_queue
            known.look = asyncio.create_task(self._look(client, task_queue, model, known))

    async def render_times(self, request: CheckedRequest) -> RenderTimes:
        """What they teach about a request. Never fails, and waits for a moment at most: knowing nothing will do."""
        self.look_up(request.model)
        known = self._models[request.model]
        if known.look:
            await asyncio.wait({known.look}, timeout=_PATIENCE)
        kind = (request.duration, request.mode)
        if kind not in known.taught:
            known.taught[kind] = await asyncio.to_thread(learn, known.finished, *kind, self._provider)
        return known.taught[kind]

    async def _look(self, client: Client, task_queue: str, model: str, known: _Known) -> None:
        try:
            known.finished, known.taught = await self._list(client, task_queue, model), {}
            good_for = min(max(len(known.finished), 0.1) * _GOOD_FOR_EACH, _GOOD_FOR)
        except Exception as error:  # whatever it is: a run goes on without
            log.info("finished_runs.unknown", model=model, error=str(error))
            good_for = _AFTER_FAILURE
        finally:
            known.look = None
        known.good_until = time.monotonic() + good_for

    async def _list(self, client: Client, task_queue: str, model: str) -> list[Observed]:
        """The newest come first by the server's own order. Those whose memo cannot be read are left out."""
        wanted = {"WorkflowType": "GenerateVideo", "ExecutionStatus": "Completed", "TaskQueue": task_queue}
        query = " AND ".join(f"{name} = {quoted(value)}" for name, value in {**wanted, "ManxueModel": model}.items())
        by_task: dict[str, Observed] = {}
        unreadable: Exception | None = None
        async for run in client.list_workflows(
            query, limit=_MOST_RUNS, page_size=_MOST_RUNS, rpc_timeout=_LONGEST_LOOK
        ):
            try:
                noted = await run.memo_value(RENDER_MEMO, None)
            except Exception as error:  # whatever it is: a key that is retired, another codec
                unreadable = error
                continue
            task_id = run.typed_search_attributes.get(_TASK_ID)
            if task_id and isinstance(noted, dict) and noted.get("provider") == self._provider:
                try:
                    by_task.setdefault(task_id, Observed.model_validate(noted))  # a reset run shares its task
                except ValidationError:
                    continue
        if unreadable and not by_task:  # more likely it is this worker that cannot read
            raise unreadable
        return list(by_task.values())
