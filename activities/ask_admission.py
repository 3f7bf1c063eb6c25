"""A run asks for its turn: of the one `AdmitRenders` execution of the account, which is started where there is none."""

import asyncio
import time

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import Priority, QueryRejectCondition
from temporalio.service import RPCError

from activities.not_found import is_gone
from manxue.admission import ADMIT_RENDERS, ASK_SIGNAL, QUEUE_QUERY, Admission, Ask, Limits, Queue, admission_id
from manxue.markdown import text
from manxue.redact import redact

_QUEUE_GOOD_FOR = 2.0
"""Seconds. The server takes few queries at a time for one execution, so that all runs of a worker share one."""


class AskAdmissionInput(BaseModel):
    """What a run says of itself."""

    ticket: float
    number: int
    tenant: str | None = None
    priority: int | None = None
    again: bool = False
    """Whether it has asked before: then it is told its place, and asks anew only where that is needed."""


class AskAdmission:
    """Asks as one account of the provider, and knows its limits."""

    def __init__(self, task_queue: str, base_url: str, api_key: str, limits: Limits) -> None:
        self._provider = redact(base_url)
        self._limits = limits
        self.admission_id = admission_id(task_queue, base_url, api_key)
        """Where to ask."""
        self._places: dict[tuple[str, float, int], int] = {}
        self._queue: Queue | None = None
        """None where there is nobody to ask."""
        self._queue_from = -_QUEUE_GOOD_FOR
        self._turn = asyncio.Lock()

    @property
    def applies(self) -> bool:
        """Whether there is any limit, so that runs have to ask."""
        return bool(self._limits)

    @activity.defn(name="ask_admission")
    async def ask_admission(self, given: AskAdmissionInput) -> Admission | None:
        """Where the run stands in the queue; None when it asked anew. It is signalled when it may go."""
        workflow_id = activity.info().workflow_id or ""
        if given.again and (place := await self._place(workflow_id, given)):
            return place
        known = {"tenant": given.tenant, "priority": given.priority}
        ask = Ask(
            workflow_id=workflow_id,
            ticket=given.ticket,
            number=given.number,
            limits=self._limits,
            **{name: value for name, value in known.items() if value is not None},
        )
        # Not an update with start: the server takes ten updates at a time for an execution.
        await activity.client().start_workflow(
            ADMIT_RENDERS,
            id=self.admission_id,
            task_queue=activity.info().task_queue,
            start_signal=ASK_SIGNAL,
            start_signal_args=[ask],
            priority=Priority(priority_key=1),  # everybody waits for it
            static_summary=text(f"Whose render is next at {self._provider}"),
        )
        return None

    async def _place(self, workflow_id: str, given: AskAdmissionInput) -> Admission | None:
        """None where asking anew may help: it does not wait there, or the limits have changed."""
        async with self._turn:
            if time.monotonic() >= self._queue_from + _QUEUE_GOOD_FOR:
                self._queue = await self._ask_for_queue()
                self._queue_from = time.monotonic()
                waiting = self._queue.waiting if self._queue else []
                self._places = {entry: place for place, entry in enumerate(waiting, 1)}
        queue, place = self._queue, self._places.get((workflow_id, given.ticket, given.number))
        if queue is None or place is None or queue.limits != self._limits:
            return None
        return Admission(
            place=place,
            waiting=len(queue.waiting),
            in_flight=queue.in_flight,
            max_in_flight=queue.limits.max_in_flight,
            as_of=queue.as_of,
        )

    async def _ask_for_queue(self) -> Queue | None:
        """None where there is nobody to ask. Raises RPCError when it is too busy to answer."""
        handle = activity.client().get_workflow_handle(self.admission_id)
        try:
            queue: Queue = await handle.query(
                QUEUE_QUERY, result_type=Queue, reject_condition=QueryRejectCondition.NOT_OPEN
            )
        except (WorkflowQueryRejectedError, WorkflowQueryFailedError):
            return None
        except RPCError as error:
            if not is_gone(error):
                raise
            return None
        return queue
