"""How the accounts with limits stand: renders in flight, and who waits. Nothing where there are no limits."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.visibility import NotSearchable, quoted
from manxue.admission import ADMISSION_QUERY, ADMIT_RENDERS, Overview
from starter.diagnosis import Finding, ok, unknown

ADMISSION = "admission"
_PATIENCE = timedelta(seconds=5)
_MOST_TENANTS = 5


async def admission(client: Client, task_queue: str) -> Sequence[Finding]:
    """One finding for each account whose renders the workers of the task queue admit one by one."""
    try:
        query = f"WorkflowType = '{ADMIT_RENDERS}' AND ExecutionStatus = 'Running' AND TaskQueue = {quoted(task_queue)}"
        found = [run.id async for run in client.list_workflows(query, limit=10)]
    except (RPCError, NotSearchable):
        return []
    return [await _look(client, workflow_id) for workflow_id in found]


async def _look(client: Client, workflow_id: str) -> Finding:
    handle = client.get_workflow_handle(workflow_id)
    try:
        overview: Overview = await handle.query(ADMISSION_QUERY, result_type=Overview, rpc_timeout=_PATIENCE)
    except (RPCError, WorkflowQueryFailedError) as error:
        return unknown(ADMISSION, f"{workflow_id} does not answer: {error}")
    return ok(ADMISSION, f"{workflow_id}: {admission_line(overview)}")


def admission_line(overview: Overview) -> str:
    """The account in one line."""
    limits, count = overview.limits, len(overview.in_flight)
    words = [f"{count} of {limits.max_in_flight} renders in flight"] if limits.max_in_flight else []
    words += [f"at most {limits.submits_per_second:g} create calls per second"] if limits.submits_per_second else []
    by_tenant = sorted(overview.waiting_by_tenant.items(), key=lambda entry: -entry[1])
    told = ", ".join(f"{tenant or 'no tenant'}: {number}" for tenant, number in by_tenant[:_MOST_TENANTS])
    more = ", …" if len(by_tenant) > _MOST_TENANTS else ""
    return "; ".join([*words, f"{overview.waiting} runs waiting" + (f" ({told}{more})" if told else "")])
