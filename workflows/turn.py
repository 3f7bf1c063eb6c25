"""Waiting for the run's turn at an account with limits, and leaving. `AdmitRenders` decides whose turn it is."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from manxue.admission import LEAVE_SIGNAL, Admission, Admitted, Leave
from manxue.failure import FailureType
from workflows import policies, run_state, steps
from workflows.failures import failure
from workflows.journal import Journal
from workflows.summaries import line


class Turn:
    """Nothing happens here at an account without limits."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._told: Admitted | None = None
        self._unanswered = 0

    def admitted(self, raw: RawValue) -> None:
        """The signal. It can come before the run goes on where it continued as new, and anybody may have sent it."""
        try:
            self._told = Admitted.model_validate_json(raw.payload.data or b"null")
        except ValidationError:
            return
        self._note()

    async def come(self, make_room: Callable[[], Awaitable[None]]) -> None:
        """Return when the next create call may be sent. `make_room` may continue the run as new meanwhile."""
        state = self._journal.state
        if state.admission_id is None:
            return
        turn = state.turn = state.turn or run_state.Turn(ticket=workflow.now().timestamp())
        if turn.number <= turn.granted:  # else it continued as new while it waited
            turn.number += 1
        again = turn.place is not None
        while not await self._ask(again):
            again = True
            await make_room()
        turn.place = None

    async def leave(self, failed: str | None = None) -> None:
        """Out of the queue; the slot is free, or will be when the render is over that this run does not wait for.

        `failed` is the failure's type, where the run ends with one.
        """
        state = self._journal.state
        if not state.turn or not state.admission_id:
            return
        over = state.finished_at is not None or failed == FailureType.RENDER_FAILED
        leave = Leave(
            workflow_id=workflow.info().workflow_id,
            ticket=state.turn.ticket,
            task_id=None if over else state.task_id,
            unknown=state.task_id is None and state.outcome_unknown,
        )
        try:
            await workflow.get_external_workflow_handle(state.admission_id).signal(LEAVE_SIGNAL, leave)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.debug("admission.gone")  # the one that follows it looks for itself
        state.turn = None

    async def _ask(self, again: bool) -> bool:
        """Ask, and wait for a while. Whether it is this run's turn."""
        asking = steps.ask_admission(self._journal.state, again, self._left())
        await workflow.wait_condition(lambda: self._is_admitted() or asking.done())
        if self._is_admitted():
            asking.cancel()
            return True
        try:
            place = await asking
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            place = None
        wait = min(self._show(place), self._left())
        summary = line(f"{self._journal.state.message} Looked up again in {wait.total_seconds():.0f} s")
        try:
            await workflow.wait_condition(self._is_admitted, timeout=wait, timeout_summary=summary)
        except TimeoutError:
            return False
        return True

    def _show(self, place: Admission | None) -> timedelta:
        """Say where the run stands. How long that is worth knowing."""
        turn = self._journal.state.turn
        assert turn
        if place is None:
            self._unanswered += 1  # the second time at the latest there is something wrong, or too many wait
            return min(policies.PLACE_FIRST_LOOK * (1 << min(self._unanswered - 1, 20)), policies.PLACE_LONGEST_LOOK)
        self._unanswered, turn.place = 0, place
        due = max(policies.PLACE_LOOK_EACH * place.place, policies.PLACE_SHORTEST_LOOK)
        wait = min(due, policies.PLACE_LONGEST_LOOK)
        renders = f"; {place.in_flight} of {place.max_in_flight} renders in flight" if place.max_in_flight else ""
        self._journal.say(
            f"Waiting for its turn: place {place.place} of {place.waiting}{renders}.", workflow.now() + wait
        )
        return wait

    def _left(self) -> timedelta:
        left = self._journal.deadline - workflow.now()
        if left <= timedelta(0):
            last = self._journal.state.message
            bought = "An earlier create call may have been accepted." if self._journal.state.outcome_unknown else ""
            message = f"it was not the run's turn before the deadline. {bought or 'Nothing was bought.'} {last}"
            raise failure(FailureType.DEADLINE_EXCEEDED, message)
        return left

    def _is_admitted(self) -> bool:
        self._note()
        turn = self._journal.state.turn
        return turn is not None and turn.granted >= turn.number

    def _note(self) -> None:
        turn, told = self._journal.state.turn, self._told
        if turn and told and told.ticket == turn.ticket:
            turn.granted = max(turn.granted, told.number)
