"""The queue of an account as Markdown for its operator, the current details in the Temporal Web UI."""

from datetime import datetime

from manxue.admission import InFlight, Limits, Overview
from manxue.markdown import code, table, text
from workflows.details import clock

_MOST_ROWS = 50


def admission_details(overview: Overview, now: datetime) -> str:
    """Who is in flight, who waits, and the limits."""
    most = overview.limits.max_in_flight
    in_flight = (
        f"{len(overview.in_flight)} of {most} renders in flight" if most else "Renders in flight are not limited"
    )
    lines = [f"**{in_flight}, {overview.waiting} runs waiting**, as of {clock(now)}", "", _limits(overview.limits)]
    if overview.waiting:
        by_tenant = sorted(overview.waiting_by_tenant.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_ROWS]
        rows = [[_tenant(tenant), str(count)] for tenant, count in by_tenant]
        lines += ["", "**Waiting**", "", *table(["Tenant", "Runs"], rows)]
        lines += ["", f"Next: {', '.join(code(workflow_id) for workflow_id in overview.next[:5])}"]
    if overview.in_flight:
        rows = [
            [code(slot.workflow_id), _tenant(slot.tenant), clock(slot.since), _state(slot)]
            for slot in overview.in_flight[:_MOST_ROWS]
        ]
        lines += ["", "**In flight**", "", *table(["Run", "Tenant", "Since", "State"], rows)]
    return "\n".join(lines)


def _limits(limits: Limits) -> str:
    if limits.submits_per_second is None:
        return "Create calls are not limited."
    return f"At most {limits.submits_per_second:g} create calls per second."


def _tenant(tenant: str) -> str:
    return text(tenant) or "none"


def _state(slot: InFlight) -> str:
    if not slot.run_ended:
        return "its run waits for it"
    return f"its run has ended; {code(slot.task_id) if slot.task_id else 'an unknown task'} may still be rendering"
