"""Which modules the workflow sandbox takes as they are: data and pure functions, loaded once instead of once per run.

The modules that decide what happens stay inside the sandbox, where a call to the clock or to chance is an error.
"""

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.unversioned import UnversionedRunner

_RESTRICTIONS = SandboxRestrictions.default.with_passthrough_modules(
    "activities",
    "manxue",
    "media",
    "workflows.admission_details",
    "workflows.admission_state",
    "workflows.batch_contract",
    "workflows.batch_state",
    "workflows.contract",
    "workflows.decision",
    "workflows.delivery",
    "workflows.details",
    "workflows.estimate",
    "workflows.fair_queue",
    "workflows.input_fields",
    "workflows.next_steps",
    "workflows.notification",
    "workflows.planned_times",
    "workflows.policies",
    "workflows.polling",
    "workflows.priority",
    "workflows.queues",
    "workflows.rendering",
    "workflows.review_state",
    "workflows.run_input",
    "workflows.run_state",
    "workflows.summaries",
    "workflows.template",
    "workflows.token_bucket",
    "workflows.unversioned",
    "workflows.user_metadata",
    "workflows.webhook",
)


def runner(versioned: bool) -> SandboxedWorkflowRunner:
    """The sandbox, for workers that are versions of a deployment or not."""
    inside = UnsandboxedWorkflowRunner if versioned else UnversionedRunner
    return SandboxedWorkflowRunner(restrictions=_RESTRICTIONS, runner_class=inside)
