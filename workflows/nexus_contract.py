"""What callers of the Nexus service `manxue` rely on: its operations, their inputs and outputs.

Callers in Python may import this module; it brings neither workflows nor activities with it, nor Temporal. Callers in
other languages name the service and the operation, and send and get the same as JSON. Changing a name here is a
breaking change.
"""

from typing import Annotated, Any

import nexusrpc
from pydantic import StringConstraints

from workflows.contract import Progress, Resolution, VideoResult
from workflows.input_fields import StrictInput

SERVICE = "manxue"
ENDPOINT = "manxue"
"""The name under which `manxue setup --nexus` makes the endpoint, unless told otherwise."""
GENERATE, PROGRESS, RESOLVE = "generate", "progress", "resolve"

WorkflowId = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class GenerateInput(StrictInput):
    """The input of the operation `generate`."""

    workflow_id: WorkflowId | None = None
    """The id of the run: the same id is the same render, for every caller. Without it every operation is a new one."""
    input: Any
    """A `GenerateVideoInput` as JSON. What is wrong in it fails the run, and so the operation, with InvalidRequest."""


class ProgressInput(StrictInput):
    """The input of the operation `progress`."""

    workflow_id: WorkflowId
    """Of the run, as `generate` was given it."""


class ResolveInput(Resolution):
    """The input of the operation `resolve`: which run, and the decision."""

    workflow_id: WorkflowId
    """Of the run, as `generate` was given it."""


@nexusrpc.service(name=SERVICE)
class Manxue:
    """For `workflow.create_nexus_client(service=Manxue, endpoint=ENDPOINT)`."""

    generate: nexusrpc.Operation[GenerateInput, VideoResult]
    """Asynchronous: it ends with its run."""
    progress: nexusrpc.Operation[ProgressInput, Progress]
    resolve: nexusrpc.Operation[ResolveInput, None]
