"""A run as Markdown for its operator, the current details in the Temporal Web UI: a pure function of its state."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from manxue.asset_review import AssetReview
from manxue.checked_request import CheckedRequest
from manxue.markdown import code, table, text
from manxue.redact import capped, redact
from workflows.contract import Phase, Preview, Video
from workflows.decision import Place, how_to_decide
from workflows.next_steps import goes_on, what_to_do
from workflows.notification import NotificationReport
from workflows.policies import DOWNLOAD
from workflows.run_state import Ending, RunState
from workflows.user_metadata import static_details

_LONGEST_MESSAGE = 2000
"""Characters."""


def details(state: RunState, place: Place, estimate: str | None = None) -> str:
    """What is happening, since when, what comes next and when, what to do, and what was asked for.

    `estimate` is a sentence on how long the render will take.
    """
    lines = [f"### {state.phase.replace('_', ' ').capitalize()}", "", text(capped(state.message, _LONGEST_MESSAGE))]
    if state.ending:
        lines += _what_to_do(state.ending, state.task_id)
    if state.video:
        lines += ["", *_file(state.video, state.preview, state.manifest_uri)]
    lines += ["", *_facts(state, estimate)]
    if state.decision:
        lines += ["", *how_to_decide(place)]
    if state.notifications:
        lines += ["", "**Notifications**", "", *map(_notification, state.notifications)]
    if state.warnings:
        lines += ["", "**Warnings**", "", *(f"- {text(str(warning))}" for warning in state.warnings)]
    if state.request:
        lines += _media(state.request, state)
        lines += ["", "**Request**", "", static_details(state.request)]
    return "\n".join(lines)


def _facts(state: RunState, estimate: str | None) -> list[str]:
    rows = {"Since": clock(state.since), "Next": _next(state), "Estimate": estimate and text(estimate)}
    rows |= {"Started": clock(state.started_at), "Deadline": _deadline(state), "Provider task": _task(state)}
    return _listed(rows)


def _listed(rows: Mapping[str, str | None]) -> list[str]:
    """What is known of the rows. The Web UI gives the cells of a table no room."""
    return [f"- **{name}:** {value}" for name, value in rows.items() if value]


def _next(state: RunState) -> str | None:
    at = f" at {clock(state.next_at)}" if state.next_at else ""
    match state.phase:
        case Phase.VALIDATING:
            return "the provider's review of the media that need one, then the create call"
        case Phase.REVIEWING_ASSETS:
            asked = f"; they are asked for again{at} at the latest" if at else ""
            return f"the create call, as soon as the provider has passed all media{asked}"
        case Phase.SUBMITTING if state.turn and state.turn.place:
            return f"the create call, when it is this run's turn; its place is looked up again{at}"
        case Phase.SUBMITTING:
            return f"another create call{at}" if at else "the provider's answer to the create call"
        case Phase.NEEDS_DECISION:
            return "your decision; without it nothing happens"
        case Phase.QUEUED | Phase.RENDERING:
            at = f" at {clock(state.next_poll_at)}" if state.next_poll_at else ", under way"
            return f"poll {state.polls + 1}{at}"
        case Phase.NOTIFYING:
            return "the end of the run, as soon as they are told, and soon in any case"
        case Phase.DOWNLOADING:
            until = clock(state.since + (DOWNLOAD["schedule_to_close_timeout"] or state.held))
            return f"every packet is checked, then the file gets its name; tried again until {until}"
    return None


def _deadline(state: RunState) -> str | None:
    match state.phase:
        case Phase.NEEDS_DECISION:
            return f"stands still until the decision; {_hours(state.deadline - state.since)} will be left then"
        case Phase.VALIDATING if state.given is None:
            return None  # not read yet
        case Phase.VALIDATING | Phase.REVIEWING_ASSETS | Phase.SUBMITTING | Phase.QUEUED | Phase.RENDERING:
            return f"{clock(state.deadline)}, for the finished render"
    return None


def _hours(left: timedelta) -> str:
    minutes = max(int(left.total_seconds()) // 60, 0)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _task(state: RunState) -> str | None:
    if state.task_id is None:
        return None
    word = f", the provider says “{text(capped(state.provider_status, 100))}”" if state.provider_status else ""
    done = "" if state.percent is None else f", {state.percent:.0f} %"
    polls = "1 poll" if state.polls == 1 else f"{state.polls} polls"
    return f"{code(state.task_id)}, {polls}{word}{done}"


def _what_to_do(ending: Ending, task_id: str | None) -> list[str]:
    lines = ["", f"**What to do:** {what_to_do(ending.kind)}"]
    if task_id and goes_on(ending.kind):
        option, field = code(f"--task-id {task_id}"), code(f'"task_id": "{task_id}"')
        lines += ["", f"The same request with {option} (in JSON: {field}) goes on from there without a second payment."]
    if ending.problems:
        rows = [[code(p.field), text(p.hint), text(capped(str(p.given or ""), 200))] for p in ending.problems]
        lines += ["", *table(["Field", "What is wrong", "Given"], rows)]
    return lines


def _file(video: Video, preview: Preview | None, manifest_uri: str | None) -> list[str]:
    sound = "with audio" if video.has_audio else "without audio"
    return _listed(
        {
            "File": code(redact(video.uri)),
            "Picture": f"{video.width}×{video.height}, {video.duration:.2f} s, {video.fps:g} fps",
            "Content": f"{text(video.container)}, {text(video.codec)} {sound}, {video.bytes:,} bytes",
            "SHA-256": f"{code(video.sha256[:16])}…",
            "Poster": code(redact(preview.poster_uri)) if preview else None,
            "Contact sheet": code(redact(preview.contact_sheet_uri)) if preview else None,
            "Manifest": manifest_uri and code(redact(manifest_uri)),
        }
    )


def _media(request: CheckedRequest, state: RunState) -> list[str]:
    """Where each medium stands; nothing where none is sent."""
    media = request.media("first_image", "last_image")
    if not media or state.adopted:
        return []
    return ["", "**Media**", "", *(f"- {code(m.field)}: {_stand(m.reference, state)}" for m in media)]


def _stand(reference: str, state: RunState) -> str:
    if reference not in state.reviews:
        return "sent as it is"
    review = state.reviews[reference]
    return _review(review) if review else "goes to the provider's review"


def _review(review: AssetReview) -> str:
    match review.state:
        case "reviewing":
            return f"under review since {clock(review.since)}"
        case "active":
            return f"passed, as {code(str(review.asset_id))}"
        case "refused":
            return f"**refused**: {text(str(review.reason))}"
        case "failed":
            return f"**no verdict**: {text(str(review.reason))}"


def _notification(report: NotificationReport) -> str:
    state = report.state.replace("_", " ")
    stand = state if report.state == "delivered" else f"**{state}**"
    told = f" ({text(report.message)})" if report.message else ""
    by = f"by {code(report.workflow_id)}"
    return f"- {code(report.event)} to {text(report.url)}: {stand} since {clock(report.at)}{told}, {by}"


def clock(moment: datetime) -> str:
    """In UTC: operators sit anywhere."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
