"""`manxue generate`: from options to a file."""

import asyncio
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from temporalio.service import RPCError

from activities.visibility import UNSEARCHABLE, is_searchable
from manxue.checked_request import CheckedRequest
from manxue.problem import problem
from settings import Settings, load
from starter import display
from starter.cli import options as given
from starter.cli.exit_codes import INTERRUPTED, UNAVAILABLE, Stopped
from starter.cli.session import Session, in_session, stack_in_use
from starter.cli.watching import wait_and_show
from starter.client import is_refused, start
from starter.inputs import InvalidInput, check, compose
from starter.request_file import Document, read_document
from starter.run import Run
from starter.staging import LocalMedia, staging_place

_ID = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


def generate(
    ctx: typer.Context,
    request: given.Request = None,
    model: given.Model = None,
    prompt: given.Prompt = None,
    duration: given.Duration = None,
    ratio: given.Ratio = None,
    first_image: given.FirstImage = None,
    last_image: given.LastImage = None,
    reference_image: given.ReferenceImage = None,
    reference_video: given.ReferenceVideo = None,
    reference_audio: given.ReferenceAudio = None,
    extra: given.Extra = None,
    allow_unknown_model: given.AllowUnknownModel = None,
    output: given.Output = None,
    name: given.Name = None,
    asset_review: given.AssetReview = None,
    strict_media: given.StrictMedia = None,
    preview: given.Preview = None,
    on_unknown_submission: given.OnUnknownSubmission = None,
    deadline: given.Deadline = None,
    poll_first: given.PollFirst = None,
    poll_interval: given.PollInterval = None,
    poll_max_interval: given.PollMaxInterval = None,
    task_id: given.TaskId = None,
    notify: given.Notify = None,
    tenant: given.Tenant = None,
    priority: given.Priority = None,
    key: given.Key = None,
    workflow_id: given.Id = None,
    detach: given.Detach = False,
    as_json: given.Json = False,
) -> None:
    """Generate one video and wait for the file. Its path alone goes to standard output."""
    identity = _identity(key, workflow_id)
    document = read_document(request) if request is not None else None
    order = _order(ctx.params, document)  # before anything else: a wrong request needs no server

    async def work(session: Session) -> None:
        await _generate(session, order, identity, detach=detach, as_json=as_json)

    in_session(work)


@dataclass(frozen=True)
class _Order:
    """What is to be started, checked, with the files that must be uploaded before."""

    fields: dict[str, Any]
    request: CheckedRequest
    media: LocalMedia


def _order(options: Mapping[str, Any], document: Document | None) -> _Order:
    """Raises InvalidInput with all that is wrong, and SettingsError."""
    stack = stack_in_use()
    fields = compose(options, document, stack.poll_rhythm() if stack else {})
    media = LocalMedia(staging_place(load(Settings), stack), templates="template" in fields)
    folder = document.folder if document else Path()
    if "template" in fields:
        fields["template"] = media.in_template(fields["template"], fields["request"], folder)
    fields["request"] = media.in_request(fields["request"], options, folder)
    _, request = check(fields, media.problems)
    return _Order(fields, request, media)


async def _generate(session: Session, order: _Order, workflow_id: str, *, detach: bool, as_json: bool) -> None:
    await order.media.upload()
    run, is_new = await _started(session, order, workflow_id)
    link = session.link(run)
    said = "started" if is_new else f"exists already ({run.status}), nothing new was started:"
    display.say(" ".join(filter(None, (said, run.id, link))))
    if detach:
        display.put(run.id)
        display.say(f"watch it: manxue watch {run.id}", "dim")
    else:
        await wait_and_show(run, link, as_json=as_json)


async def _started(session: Session, order: _Order, workflow_id: str) -> tuple[Run, bool]:
    """Raises Stopped with the id when it is not known whether the run was started: another id is another render."""
    unknown = (
        f"it is not known whether {workflow_id} was started. Look: manxue status {workflow_id}, or give the same "
        f"command again with --id {workflow_id}, which orders nothing twice"
    )
    queue = session.settings.task_queue
    try:
        return await start(session.client, queue, workflow_id, order.fields, order.request, order.media.names)
    except asyncio.CancelledError:  # Ctrl-C
        raise Stopped(INTERRUPTED, f"stopped; {unknown}") from None
    except RPCError as error:
        if is_refused(error):
            raise
        raise Stopped(UNAVAILABLE, f"the Temporal server did not answer ({error.message}); {unknown}") from error


def _identity(key: str | None, workflow_id: str | None) -> str:
    """The workflow id. Raises InvalidInput."""
    if key is not None and workflow_id is not None:
        raise InvalidInput([problem("--id", "conflict", workflow_id, "give --key or --id, not both")])
    for option, value in (("--key", key), ("--id", workflow_id)):
        if value is not None and not _ID.fullmatch(value):
            raise InvalidInput([problem(option, "format", value, "must be 1 to 200 characters without white space")])
        if value is not None and not is_searchable(value):  # a worker would end such a run at once, under its id
            raise InvalidInput([problem(option, "format", value, f"must be without {UNSEARCHABLE}")])
    if key is not None:
        return f"generate-{key}"
    return workflow_id or _random_id()


def _random_id() -> str:
    letters = string.ascii_lowercase + string.digits
    suffix = "".join(secrets.choice(letters) for _ in range(4))
    return f"video-{datetime.now(UTC):%Y%m%d-%H%M%S}-{suffix}"
