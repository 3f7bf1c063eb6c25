"""The SDK's workflow sandbox, in which workflow code may not ask the clock, chance or the machine."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tests.support.processes import ROOT
from workflows.runner import UnversionedRunner

_SHARED = {"current_details", "run_input", "server_address"}
"""Of those that know the running workflow: what the worker's interceptors, which are outside, share with workflows."""


def watched() -> list[str]:
    """The modules that it loads anew and watches: those that know the running workflow, and so may decide."""
    deciding = [path.stem for path in (ROOT / "workflows").glob("*.py") if "import workflow\n" in path.read_text()]
    return [name for name in deciding if name not in _SHARED]


def sandbox() -> SandboxedWorkflowRunner:
    """For a replayer."""
    taken = {path.stem for path in (ROOT / "workflows").glob("*.py")} - set(watched())
    modules = ["activities", "manxue", "media", *(f"workflows.{name}" for name in taken)]
    return SandboxedWorkflowRunner(SandboxRestrictions.default.with_passthrough_modules(*modules), UnversionedRunner)
