"""`DeliverNotification`: one event, one receiver, and days of patience, for a run that may long be over."""

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.notify import Delivered, Delivery, Notify
from manxue.markdown import code, text
from manxue.redact import redact
from workflows.details import clock
from workflows.failures import cause_of
from workflows.notification import DELIVER_NOTIFICATION, NOTIFICATION_UNDELIVERED
from workflows.policies import NOTIFY, NOTIFY_DAYS, told


# A wrong argument must end the execution instead of failing its tasks for ever.
@workflow.defn(
    name=DELIVER_NOTIFICATION,
    failure_exception_types=[ValidationError, TypeError],
    versioning_behavior=VersioningBehavior.AUTO_UPGRADE,  # its one activity may be tried for days
)
class DeliverNotification:
    """Tries until the receiver takes it, wants no more, or three days are over."""

    @workflow.run
    async def run(self, delivery: Delivery) -> Delivered:
        """Fails with NotificationUndelivered."""
        told_of = f"{code(delivery.event)} of the run {code(delivery.about)} to {text(redact(delivery.url))}"
        until = clock(workflow.now() + NOTIFY_DAYS)
        workflow.set_current_details(
            f"### Delivering\n\n{told_of}. Tried until {until}.\n\n"
            "The last answer and the time of the next attempt stand beside the activity `notify`, under Pending "
            f"Activities. To try now: {code(f'temporal activity reset -w {workflow.info().workflow_id} -a 1')}"
        )
        try:
            summary = f"tell the receiver: {delivery.event}"
            delivered = await workflow.execute_activity_method(Notify.notify, delivery, **told(NOTIFY, summary))
        except ActivityError as error:
            if is_cancelled_exception(error):
                workflow.set_current_details(f"### Canceled\n\n{told_of}.")
                raise
            cause = cause_of(error)
            why = cause.message if cause else str(error.cause)
            workflow.set_current_details(
                f"### Not delivered\n\n{told_of}: {text(why)}.\n\n**What to do:** mend the receiver and reset this "
                "execution to its first workflow task: it delivers the same notification, under the same `webhook-id`."
            )
            raise ApplicationError(why, type=NOTIFICATION_UNDELIVERED, non_retryable=True) from None
        tries = "1 attempt" if delivered.attempts == 1 else f"{delivered.attempts} attempts"
        workflow.set_current_details(
            f"### Delivered\n\n{told_of} at {clock(delivered.at)}, after {tries}; it answered {delivered.status}."
        )
        return delivered
