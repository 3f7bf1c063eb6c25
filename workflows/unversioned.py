"""For workers without versions: Temporal refuses their workflow tasks when these state a versioning behaviour."""

from dataclasses import replace

from temporalio.common import VersioningBehavior
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails


class UnversionedRunner(UnsandboxedWorkflowRunner):
    """Runs workflows as if they stated no behaviour. For the sandbox, as what it runs inside."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See the base class."""
        silent = replace(det.defn, versioning_behavior=VersioningBehavior.UNSPECIFIED)
        return super().create_instance(replace(det, defn=silent))
