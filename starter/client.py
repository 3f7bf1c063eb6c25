"""Starting runs of `GenerateVideo`, by name with plain JSON as any other service would: no worker code is imported."""

from collections.abc import Mapping
from typing import Any, TypedDict

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.not_found import is_gone
from manxue.batch import fingerprint
from manxue.checked_request import CheckedRequest
from starter.memo import memo_text
from starter.run import Run
from workflows.contract import GENERATE_VIDEO, MEMO_SUMMARY
from workflows.priority import priority_of
from workflows.user_metadata import static_details, static_summary, summary

FINGERPRINT = "request_sha256"
"""Memo field: tells whether a workflow id is used again for the same request."""
_REFUSALS = (
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
)


class StartOptions(TypedDict):
    """What a run is started with besides its input."""

    memo: dict[str, Any]
    priority: Priority
    static_summary: str | None
    static_details: str | None


class OtherRequest(Exception):
    """The workflow id belongs to a run that was started with another request."""


async def start(
    client: Client,
    task_queue: str,
    workflow_id: str,
    fields: Mapping[str, Any],
    request: CheckedRequest,
    contents: Mapping[str, str] | None = None,
) -> tuple[Run, bool]:
    """Start a run, or find the one that has this id already, open or closed: the same id is the same render.

    `fields` is the input as JSON and `request` the checked request in it, for display. `contents` maps references in it
    to names of their content: the same content is the same request, wherever it lies. The flag says whether the run is
    new. Raises OtherRequest when the id was used for something else to be rendered.
    """
    options = start_options(fields, request, contents)
    try:
        await client.start_workflow(
            GENERATE_VIDEO,
            dict(fields),
            id=workflow_id,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            **options,
        )
    except WorkflowAlreadyStartedError:
        run = await Run.find(client, workflow_id)
        if not await is_same_request(client, run, options["memo"][FINGERPRINT], contents):
            raise OtherRequest(
                f"{workflow_id} was started with another request; use another --key or --id for this one, "
                f"or look at that one: manxue status {workflow_id}"
            ) from None
        return run, False
    return await Run.find(client, workflow_id), True


def is_refused(error: RPCError) -> bool:
    """Whether a start that failed with `error` is known to have started nothing."""
    return error.status in _REFUSALS


def start_options(
    fields: Mapping[str, Any], request: CheckedRequest | None, contents: Mapping[str, str] | None = None
) -> StartOptions:
    """What lists and the Web UI show of a run before it has begun, and its place on the task queue.

    `request` is the checked request in `fields`, or None where it is wrong; `contents` as in `start`.
    """
    memo = {FINGERPRINT: fingerprint(fields, contents)}
    shown = {MEMO_SUMMARY: summary(request)} if request else {}
    return StartOptions(
        memo={**memo, **shown},
        priority=priority_of(fields),
        static_summary=static_summary(request) if request else None,
        static_details=static_details(request) if request else None,
    )


async def is_same_request(client: Client, run: Run, ordered: str, contents: Mapping[str, str] | None = None) -> bool:
    """Whether the run was started for the request with the fingerprint `ordered`, by whatever client.

    One whose beginning is gone counts as the same. Raises RPCError.
    """
    known = await memo_text(run.description, FINGERPRINT) or await _fingerprint_of(client, run, contents)
    return known in (None, ordered)


async def _fingerprint_of(client: Client, run: Run, contents: Mapping[str, str] | None) -> str | None:
    """From the input of the first run of the chain; None after its retention."""
    first = run.description.raw_description.workflow_execution_info.first_run_id
    try:
        async for event in client.get_workflow_handle(run.id, run_id=first).fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            values = await client.data_converter.decode(payloads)
            return fingerprint(values[0], contents) if values and isinstance(values[0], dict) else None
    except (ValueError, KeyError, RuntimeError):
        return None  # no JSON, and so nothing that was ever bought
    except RPCError as error:
        if not is_gone(error):
            raise
    return None
