"""The workflow sandbox, which takes all of our modules as they are: loaded once, not once for each run in memory.

In modules that it loads anew it watches for calls to the clock, to chance and to the machine, but each run then has
its own: 270 kB and 23 ms. Instead `make lint` refuses such calls in all of `workflows` (pyproject.toml, `banned-api`),
and recorded histories are replayed. `open` and `input` it goes on watching, in any module.
"""

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.unversioned import UnversionedRunner

_RESTRICTIONS = SandboxRestrictions.default.with_passthrough_modules("activities", "manxue", "media", "workflows")


def runner(versioned: bool) -> SandboxedWorkflowRunner:
    """The sandbox, for workers that are versions of a deployment or not."""
    inside = UnsandboxedWorkflowRunner if versioned else UnversionedRunner
    return SandboxedWorkflowRunner(restrictions=_RESTRICTIONS, runner_class=inside)
