"""`AdmitRenders`: who may submit next, for one account of the provider and all workers that use it.

Runs ask by a signal and are told by a signal; what it decides is in admission_state.py. It is there while somebody asks
or holds a slot, and an hour longer.
"""

import asyncio
from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.admission_upkeep import SlotHolder, earlier_admission, left_slots
from activities.errors import NOT_FOUND
from activities.poll import Poll
from manxue.admission import (
    ADMISSION_QUERY,
    ADMIT_RENDERS,
    ADMITTED_SIGNAL,
    ASK_SIGNAL,
    LEAVE_SIGNAL,
    QUEUE_QUERY,
    STATE_QUERY,
    Ask,
    Leave,
    Overview,
    Queue,
)
from workflows import policies
from workflows.admission_details import admission_details
from workflows.admission_state import AdmissionState, Grant, Holder
from workflows.failures import cause_of
from workflows.policies import (
    ADMISSION_KEPT,
    ADMISSIONS_AT_ONCE,
    BOUNDED_PATIENCE,
    EARLIER_ADMISSION,
    LEFT_SLOTS,
    POLL,
    POLL_PATIENCE,
    told,
)

_SHORTEST_WAIT = 0.25
"""Seconds, for the rate: several are admitted at once rather than each by a timer of its own."""
_FINISHED = ("completed", "completed_without_url", "failed")
_POLLS_AT_ONCE = 10
_DROPS = "the-queue-is-cut-once-for-all-who-asked"
_GIVES_BACK = "a-run-that-has-gone-uses-up-no-create-call"


# A wrong argument must end the execution instead of failing its tasks for ever.
@workflow.defn(
    name=ADMIT_RENDERS,
    failure_exception_types=[ValidationError, TypeError],
    versioning_behavior=VersioningBehavior.AUTO_UPGRADE,  # it may never end
)
class AdmitRenders:
    """A durable semaphore and rate limiter with a fair queue."""

    @workflow.init
    def __init__(self, continued: AdmissionState | None = None) -> None:
        self._state = continued or AdmissionState()
        self._inbox: list[Ask | Leave] = []
        self._ended: set[tuple[str, float]] = set()
        """Slots whose renders are over, as the provider said."""
        self._drops = self._knows = False
        self._look: asyncio.Task[None] | None = None
        self._next_look = 0.0
        self._empty_since = workflow.time()

    @workflow.run
    async def run(self, continued: AdmissionState | None = None) -> None:
        """Ends when nobody has asked for an hour and nobody holds a slot."""
        self._drops = workflow.patched(_DROPS)
        if continued is None:
            await self._remember()
        self._knows = True
        while True:
            self._decide()
            # Before anything is awaited: under load there is always something in the inbox after it.
            if self._look is None and workflow.info().get_current_history_length() >= policies.EVENTS_PER_ADMISSION_RUN:
                workflow.continue_as_new(self._state)
            if self._state.untold:
                await self._tell()
                continue
            if self._is_idle():
                return
            if self._state.is_full and self._look is None and workflow.time() >= self._next_look:
                self._next_look = workflow.time() + policies.LOOK_AT_SLOTS.total_seconds()
                self._look = asyncio.create_task(self._look_at_slots())
            await self._pause()

    def _decide(self) -> None:
        """Take in all that has come, and admit."""
        now, state = workflow.time(), self._state
        while self._inbox:
            message = self._inbox.pop(0)
            if isinstance(message, Leave):
                state.leave(message, now)
            elif grant := state.ask(message, now, one_by_one=not self._drops):
                state.untold.append(grant)
        if self._drops:
            state.drop()
        while self._ended:
            workflow_id, ticket = self._ended.pop()
            if (holder := state.holders.get(workflow_id)) and holder.ticket == ticket:
                state.free(workflow_id)
        state.expire(now)
        state.untold += state.admit(now, ADMISSIONS_AT_ONCE)
        if state.waiting or state.holders or state.untold:
            self._empty_since = now

    async def _tell(self) -> None:
        grants, self._state.untold = self._state.untold, []
        arrived = [
            came
            for start in range(0, len(grants), ADMISSIONS_AT_ONCE)
            for came in await asyncio.gather(*map(self._tell_one, grants[start : start + ADMISSIONS_AT_ONCE]))
        ]
        # Those have ended without leaving: they were terminated while they waited, or around their create calls.
        lost = [grant for grant, came in zip(grants, arrived, strict=True) if not came]
        for grant in lost:
            if workflow.patched(_GIVES_BACK):
                self._state.unused(grant, workflow.time())
        if holders := [SlotHolder(workflow_id=g.workflow_id, ticket=g.admitted.ticket) for g in lost]:
            self._inbox += await self._left(holders)

    async def _tell_one(self, grant: Grant) -> bool:
        run = workflow.get_external_workflow_handle(grant.workflow_id)
        try:
            await run.signal(ADMITTED_SIGNAL, grant.admitted)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return False
        return True

    async def _left(self, holders: list[SlotHolder]) -> list[Leave]:
        summary = f"look whether {len(holders)} runs still need their slots"
        try:
            return await workflow.execute_activity(left_slots, holders, **told(LEFT_SLOTS, summary))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return []  # another look follows

    async def _look_at_slots(self) -> None:
        """Renders go on without their runs, and runs can be terminated or reset."""
        try:
            holders = list(self._state.holders.values())
            with_runs = [SlotHolder(workflow_id=h.workflow_id, ticket=h.ticket) for h in holders if h.left_at is None]
            if with_runs:
                self._inbox += await self._left(with_runs)
            alone = [h for h in holders if h.left_at is not None and h.task_id]
            for start in range(0, len(alone), _POLLS_AT_ONCE):
                await asyncio.gather(*map(self._poll, alone[start : start + _POLLS_AT_ONCE]))
        finally:
            self._look = None

    async def _poll(self, holder: Holder) -> None:
        summary = f"is task {holder.task_id} finished, which no run waits for?"
        try:
            answer = await workflow.execute_activity_method(
                Poll.poll, str(holder.task_id), **told(POLL, summary, patience=POLL_PATIENCE)
            )
            over = answer.status in _FINISHED
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            cause = cause_of(error)
            unknown_since = timedelta(seconds=workflow.time() - (holder.left_at or 0.0))
            over = cause is not None and cause.type == NOT_FOUND and unknown_since >= BOUNDED_PATIENCE
        if over:
            self._ended.add((holder.workflow_id, holder.ticket))

    async def _pause(self) -> None:
        """Until somebody comes or goes, or time brings something."""
        state, now = self._state, workflow.time()
        looking = self._look
        wait, summary = None, ""
        if not state.waiting and not state.holders:
            wait = self._empty_since + ADMISSION_KEPT.total_seconds() - now
            summary = "nobody is here; kept for the next run"
        elif (seconds := state.wait_for_rate(now)) is not None:
            wait, summary = max(seconds, _SHORTEST_WAIT), "the rate of create calls"
        elif state.is_full and looking is None:
            wait, summary = max(self._next_look - now, 0.0), "no slot is free; then a look at those who hold them"

        def something() -> bool:
            return bool(self._inbox or self._ended) or self._look is not looking

        try:
            await workflow.wait_condition(something, timeout=wait, timeout_summary=summary)
        except TimeoutError:
            return

    def _is_idle(self) -> bool:
        if self._state.waiting or self._state.holders or self._look:
            return False
        return workflow.time() >= self._empty_since + ADMISSION_KEPT.total_seconds()

    async def _remember(self) -> None:
        """Whoever ended the execution before this one from outside did not end the renders that it had admitted."""
        try:
            known = await workflow.execute_activity(
                earlier_admission, **told(EARLIER_ADMISSION, "what the execution before this one knew, if it was ended")
            )
            self._state = AdmissionState.model_validate(known) if known else self._state
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("admission.forgotten", extra={"why": str(error.cause)})
        except ValidationError:
            workflow.logger.warning("admission.forgotten", extra={"why": "its state cannot be read"})

    def current_details(self) -> str:
        """For the Web UI."""
        return admission_details(self._state.overview(), workflow.now())

    @workflow.signal(name=ASK_SIGNAL, description="A run wants to send a create call: an Ask")
    def ask(self, ask: Ask | None = None) -> None:
        """Repeating it changes nothing, and neither does null. What else is no Ask, the SDK drops."""
        if ask:
            self._inbox.append(ask)

    @workflow.signal(name=LEAVE_SIGNAL, description="A run no longer waits, or its render is over: a Leave")
    def leave(self, leave: Leave | None = None) -> None:
        """Free the slot, or keep it for a render that nobody waits for."""
        if leave:
            self._inbox.append(leave)

    @workflow.query(name=QUEUE_QUERY, description="Who waits, in order, as a Queue")
    def queue(self) -> Queue:
        """Who waits."""
        return self._state.queue(workflow.now())

    @workflow.query(name=ADMISSION_QUERY, description="Limits, renders in flight and runs waiting, as an Overview")
    def admission(self) -> Overview:
        """How the account stands."""
        return self._state.overview()

    @workflow.query(name=STATE_QUERY, description="All that it knows, for the execution that follows a terminated one")
    def state(self) -> AdmissionState:
        """All that it knows. Fails before it knows what the one before it did."""
        if not self._knows:
            raise ApplicationError("it does not know yet what the execution before it knew")
        return self._state
