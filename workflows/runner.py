"""What runs the workflows of a worker: not the SDK's sandbox.

That loads the modules of a workflow anew for each run in memory, to see calls to the clock, to chance and to the
machine: 270 kB and 23 ms for each run, and half of the time of workflow code in a poll even where it takes all modules
as they are. Here such calls are found before a worker runs: `make lint` refuses them in all of `workflows`
(pyproject.toml, `banned-api`), and tests replay every recorded history in the sandbox.
"""

from dataclasses import replace

from temporalio.common import VersioningBehavior
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails


class UnversionedRunner(UnsandboxedWorkflowRunner):
    """For workers without versions: Temporal refuses their workflow tasks when these state a versioning behaviour."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See the base class."""
        silent = replace(det.defn, versioning_behavior=VersioningBehavior.UNSPECIFIED)
        return super().create_instance(replace(det, defn=silent))


def runner(versioned: bool) -> UnsandboxedWorkflowRunner:
    """For workers that are versions of a deployment or not."""
    return UnsandboxedWorkflowRunner() if versioned else UnversionedRunner()
