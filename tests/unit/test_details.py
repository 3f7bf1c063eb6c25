"""What the Temporal Web UI shows of a run, read by an independent implementation of Markdown."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from manxue.asset_review import AssetReview
from manxue.checked_request import CheckedRequest
from manxue.failure import FailureType
from manxue.problem import problem
from workflows.contract import Decision, GenerateVideoInput, Phase, Preview, Video
from workflows.decision import Place
from workflows.details import details
from workflows.notification import NotificationReport, NotifyEvent
from workflows.run_state import Ending, RunState
from workflows.summaries import between_polls
from workflows.user_metadata import static_details, static_summary

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACE = Place("order-1", "default")
HOSTILE = st.text(st.sampled_from("ab1_*`|\\<>[]()!#~&-+=.:/{}$\n\r\t ") | st.characters(exclude_categories=["Cs"]))


def checked(prompt: str, **more: Any) -> CheckedRequest:
    fields = {"model": "sd2_manxue_720p", "duration": 4, "ratio": "16:9", "mode": "text", **more}
    return CheckedRequest(prompt=prompt, **fields)


def state(phase: Phase, **more: Any) -> RunState:
    given = {"request": checked("a cat"), "given": GenerateVideoInput(request={}), "message": "So it is.", **more}
    return RunState(started_at=NOW, since=NOW, phase=phase, **given)


def inline(markdown: str) -> list[Token]:
    """What stands in paragraphs and cells, each as one token with children."""
    return [token for token in MarkdownIt("commonmark").enable("table").parse(markdown) if token.type == "inline"]


def visible(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and not c.isspace())


def code_blocks(markdown: str) -> list[str]:
    return [token.content for token in MarkdownIt("commonmark").parse(markdown) if token.type == "fence"]


@given(HOSTILE)
def test_no_prompt_can_be_anything_but_words_in_its_cell(prompt: str) -> None:
    cells = inline(static_details(checked(f"x {prompt}")))
    assert len(cells) == 2 + 2 * 4
    shown = cells[5]
    assert {token.type for token in shown.children or []} == {"text"}
    if "?" not in prompt and ":" not in prompt:  # what may be secret is not shown
        assert visible("".join(token.content for token in shown.children or [])) == visible(f"x {prompt}")


@given(HOSTILE)
def test_no_prompt_can_be_anything_but_words_in_the_summary(prompt: str) -> None:
    summary = static_summary(checked(prompt))
    assert len(summary.encode()) <= 400
    (paragraph,) = inline(summary)
    assert {token.type for token in paragraph.children or []} == {"text"}


def test_what_was_asked_fits_and_keeps_signatures_out() -> None:
    signed = "https://cdn.example.com/a.png?X-Signature=secret"
    extra = {f"field {i}": ["猫" * 2000, {"signed": signed}] for i in range(50)}
    request = checked(f"{signed} | " + "猫" * 5000, first_image=signed, extra=extra)
    shown = static_summary(request) + static_details(request)
    assert len(shown.encode()) < 15_000
    assert "secret" not in shown
    assert "https://cdn.example.com/a.png" in shown


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_says_what_is_happening_since_when_and_what_was_asked(phase: Phase) -> None:
    shown = details(state(phase), PLACE)
    assert phase.replace("_", " ") in shown.lower()
    assert "So it is." in shown
    assert "**Since:** 2026-03-01 12:00:00 UTC" in shown
    assert "| `prompt` | a cat |" in shown
    final = phase in (Phase.COMPLETED, Phase.FAILED, Phase.CANCELED)
    assert ("**Next:**" in shown) != final


def test_waiting_tells_the_next_poll_the_deadline_the_estimate_and_the_task() -> None:
    waiting = state(
        Phase.RENDERING,
        task_id="task-7",
        polls=7,
        percent=40.0,
        provider_status="processing",
        next_poll_at=NOW + timedelta(seconds=45),
    )
    shown = details(waiting, PLACE, "usually 3 to 6 min")
    assert "poll 8 at 2026-03-01 12:00:45 UTC" in shown
    assert "**Estimate:** usually 3 to 6 min" in shown
    assert "**Deadline:** 2026-03-02 12:00:00 UTC" in shown
    assert "`task-7`, 7 polls, the provider says “processing”, 40 %" in shown
    assert between_polls(waiting, 45) == "poll 7: rendering 40 %; next in 45 s"


def test_who_was_told_and_who_was_not_can_be_seen() -> None:
    told = {"event": NotifyEvent.COMPLETED, "at": NOW, "webhook_id": "msg_1", "url": "https://a.example/hook?…"}
    reports = [
        NotificationReport(**told, state="delivered", message="answered 204", workflow_id="notify-1-0"),
        NotificationReport(**told, message="not delivered yet", workflow_id="notify-1-1"),
    ]
    lines = details(state(Phase.COMPLETED, notifications=reports), PLACE).splitlines()
    since = "since 2026-03-01 12:00:00 UTC"
    to = "- `completed` to https://a.example/hook?…:"
    assert f"{to} delivered {since} (answered 204), by `notify-1-0`" in lines
    assert f"{to} **pending** {since} (not delivered yet), by `notify-1-1`" in lines


def test_each_medium_has_its_place_in_the_review() -> None:
    images = tuple(f"https://a.example/{name}.png" for name in ("new", "busy", "good", "bad", "free"))
    review = {"review_id": "r", "since": NOW}
    reviews = {
        images[0]: None,
        images[1]: AssetReview(state="reviewing", **review),
        images[2]: AssetReview(state="active", asset_id="asset-9", **review),
        images[3]: AssetReview(state="refused", reason="a *face*", **review),
    }
    request = checked("a cat", mode="image_reference", reference_images=images)
    shown = details(state(Phase.REVIEWING_ASSETS, request=request, reviews=reviews), PLACE)
    for told in (
        "- `referenceImages[0]`: goes to the provider's review",
        "- `referenceImages[1]`: under review since 2026-03-01 12:00:00 UTC",
        "- `referenceImages[2]`: passed, as `asset-9`",
        "- `referenceImages[3]`: **refused**: a \\*face\\*",
        "- `referenceImages[4]`: sent as it is",
    ):
        assert told in shown.splitlines()


def test_a_decision_comes_with_commands_that_the_shell_reads_as_they_are_meant() -> None:
    held = state(Phase.NEEDS_DECISION, decision=Decision(asked_at=NOW, why="502"))
    place = Place("order `1'; $(x)", "films & co", "temporal:7233")
    commands = [shlex.split(command.replace("\\\n", " ")) for command in code_blocks(details(held, place))]
    assert "24 h 00 min will be left then" in details(held, PLACE)
    manxue, temporal = commands[::2], commands[1::2]
    environment = ["TEMPORAL_ADDRESS=temporal:7233", "TEMPORAL_NAMESPACE=films & co"]
    resolve = [*environment, "manxue", "resolve", place.workflow_id]
    assert manxue == [[*resolve, "--adopt", "TASK_ID"], [*resolve, "--resubmit"], [*resolve, "--abandon"]]
    where = ["-w", place.workflow_id, "--address", "temporal:7233", "--namespace", "films & co"]
    assert all(
        c[:-2] == ["temporal", "workflow", "update", "execute", *where, "--name", "resolve_submission"]
        for c in temporal
    )
    assert [json.loads(command[-1])["action"] for command in temporal] == ["adopt", "resubmit", "abandon"]
    assert "TEMPORAL" not in details(held, PLACE)
    assert "--address" not in details(held, PLACE)


@pytest.mark.parametrize("kind", FailureType)
def test_a_failure_says_what_to_do_and_names_the_way_on_with_the_task(kind: FailureType) -> None:
    failed = state(Phase.FAILED, ending=Ending(kind=kind), task_id="task-7")
    shown = details(failed, PLACE)
    assert "**What to do:**" in shown
    assert ("--task-id task-7" in shown) == (kind not in (FailureType.RENDER_FAILED, FailureType.INVALID_REQUEST))


def test_every_problem_with_an_input_is_a_row() -> None:
    problems = [problem("ratio", "choice", "1|2", "must be a ratio"), problem("name", "format", "../x", "must be tame")]
    shown = details(state(Phase.FAILED, request=None, ending=Ending(kind="InvalidRequest", problems=problems)), PLACE)
    assert "| `ratio` | must be a ratio | 1\\|2 |" in shown
    assert "| `name` | must be tame | ../x |" in shown


def test_a_finished_run_says_where_the_file_is_and_what_it_is() -> None:
    facts = {"codec": "h264", "width": 1280, "height": 720, "fps": 24.0, "duration": 4.0, "has_audio": True}
    video = Video(uri="s3://b/v.mp4", bytes=1234567, sha256="ab" * 32, container="mp4", **facts)
    preview = Preview(poster_uri="s3://b/v.poster.jpg", contact_sheet_uri="s3://b/v.contact-sheet.jpg")
    done = state(Phase.COMPLETED, video=video, preview=preview, manifest_uri="s3://b/v.mp4.json")
    shown = details(done, PLACE)
    assert all(f"`{uri}`" in shown for uri in (video.uri, preview.poster_uri, preview.contact_sheet_uri))
    assert all(told in shown for told in ("s3://b/v.mp4.json", "1280×720", "4.00 s", "with audio", "1,234,567 bytes"))


def test_a_timer_is_told_in_a_line_however_much_the_provider_says() -> None:
    troubled = state(Phase.QUEUED, polls=3, trouble="猫" * 500)
    assert len(between_polls(troubled, 30).encode()) <= 400
    assert between_polls(state(Phase.QUEUED), 30) == "queued: poll 1 in 30 s"
