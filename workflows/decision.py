"""The commands that settle a submission whose outcome nobody knows: the operator copies them from the Web UI."""

import shlex
from dataclasses import dataclass

from manxue.markdown import block, code
from workflows.contract import RESOLVE_SUBMISSION_UPDATE

_ID = "TASK_ID"
_WAYS = (
    ("The task is there: go on with it. Nothing is paid again.", f"--adopt {_ID}", f'"adopt", "task_id": "{_ID}"'),
    ("It is not: order again. If it is there all the same, this pays twice.", "--resubmit", '"resubmit"'),
    ("Give up: the run fails with SubmissionUnknown.", "--abandon", '"abandon"'),
)


@dataclass(frozen=True)
class Place:
    """Where a run is found."""

    workflow_id: str
    namespace: str
    address: str | None = None
    """Of the Temporal server as the worker reaches it; None where it is the default."""


def how_to_decide(place: Place) -> list[str]:
    """Lines of Markdown: what to look at, and for each way the same command in two programs."""
    variables = {"TEMPORAL_ADDRESS": place.address, "TEMPORAL_NAMESPACE": _unless_default(place.namespace)}
    options = {"--address": place.address, "--namespace": _unless_default(place.namespace)}
    before = [f"{name}={shlex.quote(value)} \\" for name, value in variables.items() if value]
    within = [f"  {name} {shlex.quote(value)} \\" for name, value in options.items() if value]
    workflow_id = shlex.quote(place.workflow_id)
    lines = ["**Look in the provider's account whether the task is there, then run one of these.**"]
    if place.address:
        lines += ["", f"{code(place.address)} is how the worker reaches Temporal; your shell may have another way."]
    for number, (meaning, option, action) in enumerate(_WAYS, 1):
        lines += ["", f"{number}\\. {meaning}", "", *block(*before, f"manxue resolve {workflow_id} {option}")]
        command = [f"temporal workflow update execute -w {workflow_id} \\", *within]
        command += [f"  --name {RESOLVE_SUBMISSION_UPDATE} \\", f"  --input '{{\"action\": {action}}}'"]
        lines += ["", "or", "", *block(*command)]
    return lines


def _unless_default(namespace: str) -> str | None:
    return None if namespace == "default" else namespace
