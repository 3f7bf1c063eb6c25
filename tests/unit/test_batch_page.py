"""The report of a batch shows what there is, and is safe to open and to hand on."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from manxue.batch import BatchLine
from manxue.failure import FailureDetails, FailureType
from manxue.problem import problem
from starter.batch_outcomes import LineOutcome
from starter.batch_page import BatchTitle, PageOptions, page
from starter.outcome import RunFailed
from workflows.contract import Preview, Provider, Video, VideoResult

TITLE = BatchTitle("batch-<b>", "a&b.csv", "completed")
NOW = datetime(2026, 1, 31, tzinfo=UTC)
HOSTILE = "</style></script><script>alert(1)</script>\"'><img src=//evil.example onerror=alert(1)>"


def line(prompt: str = "a boat") -> BatchLine:
    return BatchLine(number=7, workflow_id=f"b:{prompt[:9]}", input={"request": {"model": "m", "prompt": prompt}})


def completed(uri: str, poster: str | None = None, prompt: str = "a boat") -> LineOutcome:
    facts: dict[str, Any] = {"bytes": 2_000_000, "sha256": "0" * 64, "container": "mp4", "codec": "h264"}
    video = Video(uri=uri, width=1280, height=720, fps=24, duration=5, has_audio=False, **facts)
    preview = Preview(poster_uri=poster, contact_sheet_uri=poster) if poster else None
    result = VideoResult(
        task_id="task-1",
        model="m",
        mode="text",
        video=video,
        preview=preview,
        manifest_uri="file:///m.json",
        provider=Provider(amount=1.5),
        timeline={},
        polls=3,
        assets={},
        warnings=[problem("prompt", "recommended", None, HOSTILE)],
    )
    return LineOutcome(line(prompt), "completed", task_id="task-1", started=NOW, ended=NOW, result=result)


def failed(message: str) -> LineOutcome:
    details = FailureDetails(problems=[problem(HOSTILE, "url", HOSTILE, HOSTILE)], task_id=HOSTILE)
    return LineOutcome(line(HOSTILE), "failed", failure=RunFailed(FailureType.RENDER_FAILED, message, details))


async def test_what_others_wrote_is_text_and_the_page_loads_and_runs_nothing_of_theirs(tmp_path: Path) -> None:
    text = await page(TITLE, [failed(HOSTILE), completed("file:///gone.mp4", prompt=HOSTILE)], PageOptions(tmp_path))
    assert text.count("<script") == text.count("<style") == 1
    assert "<img src=//evil" not in text
    assert "batch-&lt;b&gt;" in text
    policy = text.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith("default-src &#39;none&#39;; img-src data:; media-src &#39;self&#39; file:;")
    assert "unsafe" not in policy


async def test_signed_links_of_callers_and_providers_are_not_in_it(tmp_path: Path) -> None:
    secret = "https://media.example.com/a.png?X-Amz-Signature=secret"
    text = await page(
        TITLE, [failed(f"cannot fetch {secret}"), completed("s3://b/v.mp4", prompt=secret)], PageOptions(tmp_path)
    )
    assert "X-Amz-Signature" not in text


async def test_a_poster_becomes_a_small_picture_in_the_page_and_a_broken_one_a_placeholder(tmp_path: Path) -> None:
    file = BytesIO()
    Image.new("RGB", (3840, 2160), "teal").save(file, "JPEG")
    (tmp_path / "good.jpg").write_bytes(file.getvalue())
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    video = tmp_path / "a b#1.mp4"
    video.write_bytes(b"x")
    lines = [completed(video.as_uri(), (tmp_path / name).as_uri()) for name in ("good.jpg", "bad.jpg", "none.jpg")]
    (tmp_path / "reports").mkdir()
    text = await page(TITLE, lines, PageOptions(tmp_path / "reports"))
    assert text.count('poster="data:image/jpeg;base64,') == 1
    assert text.count('src="../a%20b%231.mp4"') == 3
    assert len(text) < 40_000


async def test_a_file_of_another_machine_or_of_a_bucket_is_named_but_not_played(tmp_path: Path) -> None:
    text = await page(TITLE, [completed("file:///gone.mp4"), completed("s3://bucket/v.mp4")], PageOptions(tmp_path))
    assert "<video" not in text
    assert "s3://bucket/v.mp4" in text
    assert "/gone.mp4" in text


async def test_every_outcome_can_be_chosen(tmp_path: Path) -> None:
    lines = [completed("s3://b/v.mp4"), failed("dark"), LineOutcome(line()), LineOutcome(line(), "timed out")]
    text = await page(TITLE, lines, PageOptions(tmp_path))
    for state in ("all", "completed", "failed", "waiting", "timed-out"):
        assert f'data-filter="{state}"' in text
    assert json.dumps("Change the prompt")[1:-1] in text
