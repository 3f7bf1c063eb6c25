"""Tells those who asked to be told, beside the run: whatever becomes of it, the run ends as it would have without."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, WorkflowAlreadyStartedError

from activities.notify import Delivered, Delivery
from activities.run_ends import ended_runs
from manxue.batch import RunRef
from manxue.failure import Failure, FailureDetails
from manxue.markdown import code, text
from manxue.problem import problem
from manxue.redact import capped, redact
from workflows.contract import Phase, VideoResult
from workflows.journal import Journal
from workflows.notification import DELIVER_NOTIFICATION, NotificationReport, NotifyEvent, NotifyTarget
from workflows.policies import (
    CANCELED_NOTIFY_PATIENCE,
    ENDED_RUNS,
    NOTIFY_DAYS,
    NOTIFY_PATIENCE,
    told,
)
from workflows.webhook import (
    AnyNotification,
    Canceled,
    Completed,
    DecisionNeeded,
    Failed,
    VideoCanceled,
    VideoCompleted,
    VideoFailed,
    VideoNeedsDecision,
    body,
)


class Notifications:
    """Each event goes to each receiver by a `DeliverNotification` of its own, which outlives the run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._starting = 0
        self._under_way: set[str] = set()
        """Workflow ids of deliveries whose end comes to this run as an event."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def started(self) -> None:
        """Wait until every delivery that was to be started is there; a run that ends before would lose it."""
        while self._starting:
            with suppress(asyncio.CancelledError):
                await workflow.wait_condition(lambda: not self._starting)

    def needs_decision(self) -> None:
        """Begin to tell of the question that the run asks now, and go on."""
        state = self._journal.state
        assert state.decision
        data = DecisionNeeded(**self._about(), decision=state.decision)
        asked_at = state.decision.asked_at
        self._tell(NotifyEvent.NEEDS_DECISION, VideoNeedsDecision(timestamp=asked_at, data=data), asked_at.isoformat())

    async def completed(self, result: Callable[[], VideoResult]) -> None:
        """Tell of the result, and wait a little for that."""
        if self._wanted(NotifyEvent.COMPLETED):
            self._journal.enter(Phase.NOTIFYING, "The video is delivered; those who asked for it are being told.")
            data = Completed(**self._about(), result=result())
            self._tell(NotifyEvent.COMPLETED, VideoCompleted(timestamp=workflow.now(), data=data))
        await self._settle(NotifyEvent.COMPLETED, NOTIFY_PATIENCE)

    async def failed(self, error: ApplicationError) -> None:
        """Tell of the failure, and wait a little for that. When it is about `notify` itself, nobody can be told."""
        details = FailureDetails.model_validate(error.details[0]) if error.details else FailureDetails()
        if any(found.field.partition("[")[0] == "notify" for found in details.problems):
            return
        if self._wanted(NotifyEvent.FAILED):
            self._journal.enter(Phase.NOTIFYING, f"{error.type}: {error.message}; those who asked are being told.")
            failure = Failure(type=str(error.type), message=error.message, **details.model_dump())
            data = Failed(**self._about(), failure=failure)
            self._tell(NotifyEvent.FAILED, VideoFailed(timestamp=workflow.now(), data=data))
        await self._settle(NotifyEvent.FAILED, NOTIFY_PATIENCE)

    async def canceled(self) -> None:
        """Tell of the cancellation; who cancelled waits for the end, so this hardly waits."""
        if self._wanted(NotifyEvent.CANCELED):
            message = self._journal.meaning_of_cancel()
            data = Canceled(**self._about(), message=message, task_id=self._journal.state.task_id)
            self._tell(NotifyEvent.CANCELED, VideoCanceled(timestamp=workflow.now(), data=data))
        await self._settle(NotifyEvent.CANCELED, CANCELED_NOTIFY_PATIENCE)

    def _wanted(self, event: NotifyEvent) -> list[tuple[int, NotifyTarget]]:
        return [(i, target) for i, target in enumerate(self._journal.state.notify) if event in target.events]

    def _about(self) -> dict[str, Any]:
        info, given = workflow.info(), self._journal.state.given
        return {
            "workflow_id": info.workflow_id,
            "run_id": info.run_id,
            "namespace": info.namespace,
            "tenant": given.tenant if given else None,
        }

    def _tell(self, event: NotifyEvent, notification: AnyNotification, occurrence: str = "") -> None:
        """Begin. `occurrence` tells apart events of one kind; a reset that comes to the same one tells nobody twice."""
        info = workflow.info()
        name = "\0".join((info.namespace, info.workflow_id, info.first_execution_run_id, event, occurrence))
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        begun = []
        for number, target in self._wanted(event):
            delivery = Delivery(
                url=target.url,
                event=event,
                about=info.workflow_id,
                webhook_id=f"msg_{digest}",
                body=body(notification),
            )
            report = NotificationReport(
                event=event,
                url=capped(target.url, 200),
                at=workflow.now(),
                webhook_id=delivery.webhook_id,
                workflow_id=f"notify-{digest}-{number}",
            )
            begun.append((delivery, report))
        self._journal.state.notifications = [*self._journal.state.notifications, *(report for _, report in begun)]
        self._starting += len(begun)
        self._under_way |= {report.workflow_id for _, report in begun}
        self._spawn(self._start(begun))

    async def _start(self, begun: Iterable[tuple[Delivery, NotificationReport]]) -> None:
        for delivery, report in begun:  # one by one: ten bodies at once could be more than one answer may hold
            try:
                child = await self._child(delivery, report)
                self._spawn(self._deliver(report, child))
            except WorkflowAlreadyStartedError:  # by the run that this one is a reset of
                self._under_way.discard(report.workflow_id)
            except FailureError as error:
                self._end(report, "given_up", str(error))
            finally:
                self._starting -= 1

    async def _child(
        self, delivery: Delivery, report: NotificationReport
    ) -> "workflow.ChildWorkflowHandle[Any, Delivered]":
        return await workflow.start_child_workflow(
            DELIVER_NOTIFICATION,
            delivery,
            id=report.workflow_id,
            result_type=Delivered,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            static_summary=text(f"{delivery.event} · {delivery.about[:100]}"),
            static_details=f"- **Run:** {code(delivery.about)}\n- **Event:** {code(delivery.event)}\n"
            f"- **Receiver:** {text(redact(delivery.url))}\n- **webhook-id:** {code(delivery.webhook_id)}",
        )

    async def _deliver(self, report: NotificationReport, child: "workflow.ChildWorkflowHandle[Any, Delivered]") -> None:
        try:
            delivered = await child
        except FailureError as error:
            cause = error.cause
            self._end(report, "given_up", cause.message if isinstance(cause, FailureError) else str(error))
        else:
            self._end(report, "delivered", f"answered {delivered.status}")

    async def _look_at_others(self) -> None:
        """Deliveries that an earlier run of the chain began, or the one that this run is a reset of."""
        reports = {
            report.workflow_id: report
            for report in self._journal.state.notifications
            if report.state == "pending" and report.workflow_id not in self._under_way
        }
        if not reports:
            return
        runs = [RunRef(number=0, workflow_id=workflow_id) for workflow_id in reports]
        with suppress(ActivityError, asyncio.CancelledError):
            for end in await workflow.execute_activity(
                ended_runs, runs, **told(ENDED_RUNS, "was that delivered meanwhile?")
            ):
                done = end.status == "completed"
                self._end(reports[end.workflow_id], "delivered" if done else "given_up", end.message or "")

    def _end(self, report: NotificationReport, state: Any, message: str) -> None:
        report.state, report.at, report.message = state, workflow.now(), capped(message, 200)
        self._under_way.discard(report.workflow_id)

    async def _settle(self, event: NotifyEvent, patience: timedelta) -> None:
        """Wait for the deliveries of this event, and warn of all that are not done. A cancellation ends the waiting."""
        state = self._journal.state
        awaited = {report.workflow_id for report in state.notifications if report.event == event}
        if awaited:
            with suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await workflow.wait_condition(
                    lambda: not awaited & self._under_way,
                    timeout=patience,
                    timeout_summary=f"who asked is being told; the run ends after {patience.seconds} s in any case",
                )
        await self.started()
        await self._look_at_others()
        for report in state.notifications:
            if report.state == "delivered":
                continue
            if report.state == "pending":
                report.message = f"not delivered yet; tried for {NOTIFY_DAYS.days} days"
            hint = f"was not told of `{report.event}`: {report.message}; see the execution {report.workflow_id}"
            state.warnings = [*state.warnings, problem("notify", "unreachable", report.url, hint)]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
