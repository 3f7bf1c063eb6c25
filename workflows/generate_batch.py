"""`GenerateBatch`: many renders, a limited number in flight, each a run of `GenerateVideo` of its own."""

import asyncio

from temporalio import workflow
from temporalio.common import RawValue, VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from manxue.batch import RunEnd
from manxue.failure import FailureType
from workflows import batch_pages, policies, upgrade
from workflows.batch_contract import (
    BATCH_PROGRESS_QUERY,
    GENERATE_BATCH,
    PAUSE_UPDATE,
    RESUME_UPDATE,
    SET_CONCURRENCY_UPDATE,
    BatchPhase,
    BatchProgress,
    BatchResult,
)
from workflows.batch_input import continued_batch, read_batch_input, read_concurrency
from workflows.batch_journal import BatchJournal
from workflows.batch_state import ContinuedBatch
from workflows.batch_window import Window
from workflows.run_input import NO_ARGUMENT, ArgumentCount

_STARTS_AT_ONCE = 10
"""In one answer to the server, which takes 4 MB; a request can have 256 KB."""
_OF_THE_ACCOUNT = (FailureType.AUTHENTICATION_FAILED, FailureType.INSUFFICIENT_BALANCE)
"""Failures that the next run would meet as well: the batch pauses instead of going through all its requests."""
_STOPPED_WHILE_READING = "a-pause-while-a-page-is-read-counts"
_JOINED_TELL_NOTHING = "joined-runs-do-not-pause"
_ENDED = (BatchPhase.COMPLETED, BatchPhase.FAILED, BatchPhase.CANCELED)


@workflow.defn(name=GENERATE_BATCH, versioning_behavior=VersioningBehavior.PINNED)
class GenerateBatch:
    """Checks every request, then runs them all; what fails is kept, told, and keeps nothing else back."""

    def __init__(self) -> None:
        self._journal = BatchJournal()
        self._pages = batch_pages.Pages()
        self._window: Window | None = None

    @workflow.run
    async def run(self, raw: RawValue) -> BatchResult:
        """Takes one `GenerateBatchInput` as JSON, and anything else: that fails with InvalidRequest."""
        try:
            await self._begin(raw)
            window = self._window = Window(self._record, self._journal.state.running, self._journal.state.joined)
            await self._run_all(window)
            self._journal.end(BatchPhase.COMPLETED, f"All runs are over: {self._journal.told()}.")
            return self._journal.result()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._cancel()
            raise
        except ApplicationError as error:
            self._journal.end(BatchPhase.FAILED, f"{error.type}: {error.message}")
            raise
        finally:
            if self._journal.state.phase in _ENDED:
                await batch_pages.release(self._journal.state.pages)
            await workflow.wait_condition(workflow.all_handlers_finished)

    async def _begin(self, raw: RawValue | ArgumentCount) -> None:
        if state := continued_batch(raw):
            self._journal.resume(state)
            return
        given = read_batch_input(raw)
        state = self._journal.state
        state.concurrency = given.concurrency
        state.pages = given.pages or await batch_pages.keep(given.requests or [])
        self._journal.enter(BatchPhase.VALIDATING, f"{state.total} requests are being checked.")
        if not given.skip_invalid:
            await batch_pages.check(state.pages)
        self._journal.enter(BatchPhase.RUNNING, f"{state.total} requests are in order.")

    async def _run_all(self, window: Window) -> None:
        while self._is_going_on(window):
            await window.until(lambda: self._room(window) > 0 or not self._is_going_on(window) or _must_move())
            if _must_move():
                await self._continue_as_new(window)
            for _ in range(min(self._room(window), _STARTS_AT_ONCE)):
                line = await self._pages.line(self._journal.state.pages, self._journal.state.next)
                if self._room(window) < 1 and workflow.patched(_STOPPED_WHILE_READING):
                    break
                self._journal.state.next += 1
                window.start(line)
            await window.settled()

    def _is_going_on(self, window: Window) -> bool:
        return self._journal.state.next < self._journal.state.total or len(window) > 0

    def _room(self, window: Window) -> int:
        """How many runs may be started now."""
        state = self._journal.state
        free = state.concurrency - len(window)
        return 0 if state.phase == BatchPhase.PAUSED else max(min(free, state.total - state.next), 0)

    def _record(self, end: RunEnd, joined: bool) -> None:
        self._journal.record(end)
        state = self._journal.state
        if end.failure in _OF_THE_ACCOUNT and state.phase == BatchPhase.RUNNING and state.next < state.total:
            if joined and workflow.patched(_JOINED_TELL_NOTHING):
                return  # it may have failed long ago, before the account was mended
            why = f"line {end.number} failed with {end.failure}, and the others would too: {end.message}"
            self._journal.enter(BatchPhase.PAUSED, f"Paused: {why}")

    async def _continue_as_new(self, window: Window) -> None:
        await window.settled()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._journal.state.running, self._journal.state.joined = window.runs, window.joined
        upgrade.continue_as_new(ContinuedBatch(continued=self._journal.state))

    async def _cancel(self) -> None:
        """Nothing new is started; what is in flight is cancelled, and says itself whether it is billed."""
        if self._window:
            self._journal.enter(self._journal.state.phase, "The batch was cancelled; its runs in flight are ending.")
            await self._window.cancel()
        self._journal.end(BatchPhase.CANCELED, f"The batch was cancelled: {self._journal.told()}.")

    def current_details(self) -> str:
        """For the Web UI."""
        return self._journal.details()

    @workflow.query(name=BATCH_PROGRESS_QUERY, description="Where the batch is, as a BatchProgress object")
    def progress(self) -> BatchProgress:
        """Where the batch is."""
        return self._journal.progress(self._window.runs if self._window else self._journal.state.running)

    @workflow.update(name=PAUSE_UPDATE, description="Start no more runs; those in flight go on")
    async def pause(self, _: RawValue = NO_ARGUMENT) -> BatchProgress:
        """Start no more runs. Those in flight go on."""
        return await self._switch(BatchPhase.RUNNING, BatchPhase.PAUSED, "Paused: no more runs are started.")

    @workflow.update(name=RESUME_UPDATE, description="Start runs again")
    async def resume(self, _: RawValue = NO_ARGUMENT) -> BatchProgress:
        """Start runs again."""
        return await self._switch(BatchPhase.PAUSED, BatchPhase.RUNNING, "Resumed.")

    async def _switch(self, before: BatchPhase, after: BatchPhase, message: str) -> BatchProgress:
        await workflow.wait_condition(lambda: self._journal.open)
        await workflow.wait_condition(lambda: self._journal.state.phase != BatchPhase.VALIDATING)
        if self._journal.state.phase == before:
            self._journal.enter(after, message)
        return self._answer()

    @workflow.update(name=SET_CONCURRENCY_UPDATE, description="How many runs may be in flight: a whole number")
    async def set_concurrency(self, raw: RawValue = NO_ARGUMENT) -> BatchProgress:
        """How many runs may be in flight from now on. With fewer than there are, it waits for their ends."""
        await workflow.wait_condition(lambda: self._journal.open)
        self._journal.state.concurrency = read_concurrency(raw)
        return self._answer()

    def _answer(self) -> BatchProgress:
        """To an update, which stays in the history: without the lists."""
        return self._journal.progress([]).model_copy(update={"failures": []})

    @set_concurrency.validator
    def _check_concurrency(self, raw: RawValue = NO_ARGUMENT) -> None:
        read_concurrency(raw)


def _must_move() -> bool:
    """Whether the history is long enough, by its size too, since requests can be large; or an upgrade is due."""
    info = workflow.info()
    is_long = info.get_current_history_length() >= policies.EVENTS_PER_BATCH_RUN or info.is_continue_as_new_suggested()
    return is_long or upgrade.is_due()
