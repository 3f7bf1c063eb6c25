"""A run asks for its turn: of the one `AdmitRenders` execution of the account, which is started where there is none."""

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import Priority, QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

from manxue.admission import ADMIT_RENDERS, ASK_SIGNAL, PLACE_QUERY, Ask, Limits, Standing, admission_id
from manxue.markdown import text
from manxue.redact import redact


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

    def __init__(self, base_url: str, api_key: str, limits: Limits) -> None:
        self._provider = redact(base_url)
        self._limits = limits
        self.admission_id = admission_id(base_url, api_key)
        """Where to ask."""

    @property
    def applies(self) -> bool:
        """Whether there is any limit, so that runs have to ask."""
        return bool(self._limits)

    @activity.defn(name="ask_admission")
    async def ask_admission(self, given: AskAdmissionInput) -> Standing | None:
        """Where the run stands in the queue; None when it asked anew. It is signalled when it may go."""
        known = {"tenant": given.tenant, "priority": given.priority}
        ask = Ask(
            workflow_id=activity.info().workflow_id or "",
            ticket=given.ticket,
            number=given.number,
            limits=self._limits,
            **{name: value for name, value in known.items() if value is not None},
        )
        standing = await self._standing(ask) if given.again else None
        if standing and standing.place is not None and standing.limits == self._limits:
            return standing
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

    async def _standing(self, ask: Ask) -> Standing | None:
        """None where there is nobody to ask, or no answer: then asking anew does no harm."""
        handle = activity.client().get_workflow_handle(self.admission_id)
        try:
            standing: Standing = await handle.query(
                PLACE_QUERY, ask, result_type=Standing, reject_condition=QueryRejectCondition.NOT_OPEN
            )
        except (WorkflowQueryRejectedError, WorkflowQueryFailedError):
            return None
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None
        return standing
