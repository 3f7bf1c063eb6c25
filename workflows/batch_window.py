"""The runs of a batch that are in flight: started up to a limit, and seen to their ends, by whomever they were started.

A run's end comes as an event to the workflow run that started it as its child. Children outlive a continue-as-new, a
reset or a termination of the batch; those that this run finds in flight are looked at by the activity `run_ends`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypedDict

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

from activities.run_ends import end_of, run_ends
from manxue.batch import BatchLine, RunEnd, RunRef
from manxue.markdown import text
from workflows.contract import GENERATE_VIDEO, MEMO_SUMMARY
from workflows.policies import RUN_ENDS, told
from workflows.priority import priority_of
from workflows.run_input import judge
from workflows.user_metadata import static_details, summary


class Window:
    """Every run that was started and is not over, each by its workflow id."""

    def __init__(self, ended: Callable[[RunEnd, bool], None], inherited: list[RunRef], joined: list[str]) -> None:
        """`ended` is told how each run ends, and whether it was joined: there before it was to be started."""
        self._ended = ended
        self._starting: dict[str, RunRef] = {}
        self._own: dict[str, RunRef] = {}
        """Children of this workflow run."""
        self._watched = {run.workflow_id: run for run in inherited}
        """Runs of which this workflow run gets no event."""
        self._joined = set(joined)
        self._broken: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._watch())

    def __len__(self) -> int:
        return len(self._starting) + len(self._own) + len(self._watched)

    @property
    def runs(self) -> list[RunRef]:
        """In the order of their lines."""
        in_flight = {**self._starting, **self._own, **self._watched}
        return sorted(in_flight.values(), key=lambda run: run.number)

    @property
    def joined(self) -> list[str]:
        """The workflow ids of those that were there before."""
        return [run.workflow_id for run in self.runs if run.workflow_id in self._joined]

    def start(self, line: BatchLine) -> None:
        """Begin to start a run, or to join the one that has its id already."""
        run = RunRef(number=line.number, workflow_id=line.workflow_id)
        self._starting[run.workflow_id] = run
        self._spawn(self._run(line, run))

    async def settled(self) -> None:
        """Wait until every run that was to be started is there: one that is not would be lost by a continue-as-new."""
        await self.until(lambda: not self._starting)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that depends on the runs."""
        await workflow.wait_condition(lambda: self._broken is not None or condition())
        if self._broken:
            raise self._broken

    async def cancel(self) -> None:
        """Cancel every run, and wait for their ends."""
        await self.settled()
        await asyncio.gather(*(self._cancel(run) for run in self.runs))
        await self.until(lambda: not len(self))

    async def _cancel(self, run: RunRef) -> None:
        try:
            await workflow.get_external_workflow_handle(run.workflow_id).cancel(reason="the batch was cancelled")
        except FailureError:
            workflow.logger.debug("run.gone", extra={"run": run.workflow_id})  # it has ended meanwhile

    async def _run(self, line: BatchLine, run: RunRef) -> None:
        try:
            child = await workflow.start_child_workflow(
                GENERATE_VIDEO,
                line.input,
                id=line.workflow_id,
                result_type=dict[str, Any],
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=(
                    WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
                    if line.again
                    else WorkflowIDReusePolicy.REJECT_DUPLICATE
                ),
                priority=priority_of(line.input),
                **_shown(line),
            )
        except WorkflowAlreadyStartedError:
            del self._starting[run.workflow_id]
            self._watched[run.workflow_id] = run
            self._joined.add(run.workflow_id)
            return
        self._own[run.workflow_id] = self._starting.pop(run.workflow_id)
        try:
            await child
            end = RunEnd(number=run.number, workflow_id=run.workflow_id, status="completed")
        except FailureError as error:
            end = end_of(run, error)
        del self._own[run.workflow_id]
        self._ended(end, False)

    async def _watch(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._watched))
            asked = dict(self._watched)
            summary = f"wait for the end of {len(asked)} runs that are no children of this one"
            looking = workflow.start_activity(run_ends, list(asked.values()), **told(RUN_ENDS, summary))
            await workflow.wait_condition(lambda: looking.done() or bool(self._watched.keys() - asked.keys()))  # noqa: B023 - awaited here
            if not looking.done():
                looking.cancel()
                continue
            for end in await looking:
                del self._watched[end.workflow_id]
                self._ended(end, end.workflow_id in self._joined)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._broken = error


class _Shown(TypedDict):
    memo: dict[str, Any]
    static_summary: str
    static_details: str | None


def _shown(line: BatchLine) -> _Shown:
    """What lists and the Web UI show of a run before it has begun."""
    memo = {"batch": workflow.info().workflow_id, "line": line.number}
    name, request = f"line {line.number}", judge(line.input)[2]
    if request is None:
        return _Shown(memo=memo, static_summary=name, static_details=None)
    return _Shown(
        memo={**memo, MEMO_SUMMARY: summary(request)},
        static_summary=text(f"{name} · {summary(request)}"),
        static_details=static_details(request),
    )
