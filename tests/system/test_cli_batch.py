"""`manxue batch` as a user meets it: the real program, server, worker and provider, and a real browser."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator
from starlette.responses import JSONResponse

from tests.support.browser import browser
from tests.support.command_line import CommandLine
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, WorkerProcess
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, progress, request, until

ASLEEP = {"first": 600, "interval": 600, "max_interval": 600}


@pytest.fixture
def cli(server: DevServer, tmp_path: Path, worker: WorkerProcess) -> CommandLine:
    """The program on the shared server and worker, in a directory without a local stack."""
    assert worker.process.poll() is None
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})


def jsonl(path: Path, prompts: list[str], **more: Any) -> str:
    """A file with one whole input per line."""
    lines = [json.dumps({"request": request(prompt), "poll": FAST, **more}) for prompt in prompts]
    path.write_text("\n".join(lines) + "\n")
    return path.name


async def test_twenty_lines_three_of_them_bad_and_two_renders_that_fail(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    dark = True
    provider.on_query[f"{word} dark"] = lambda task: (
        provider.status(task, "failed", error={"message": "too dark"}) if dark else None
    )
    hostile = f"{word} <img src=x onerror=alert(1)></script><script>alert(2)</script>"
    prompts = [f"{word} {n}" for n in range(17)] + [f"{word} dark 1", f"{word} dark 2", hostile]
    name = jsonl(cli.folder / "twenty.jsonl", prompts)
    lines = (cli.folder / name).read_text().splitlines()
    mended = lines[1:4]
    bad = [lines[1].replace('"duration": 4', '"duration": 99'), lines[2][:-1], lines[3].replace("sd2_manxue_720p", "x")]
    (cli.folder / name).write_text("\n".join([lines[0], *bad, *lines[4:]]))

    refused = await cli.run("batch", name)
    assert refused.code == 2
    assert "3 of 20 lines have problems; nothing was started" in refused.err
    for found in (
        "twenty.jsonl:2: duration: must be 4 to 15",
        "twenty.jsonl:3: line: is not valid JSON",
        "twenty.jsonl:4: model: ",
    ):
        assert found in refused.err
    assert provider.creates_of(word) == []

    begun = await cli.run("batch", name, "--skip-invalid", "--concurrency", "10", seconds=300)
    assert begun.code == 1
    assert len(begun.out.splitlines()) == 15
    assert all(Path(path).is_file() for path in begun.out.splitlines())
    assert "15 of 17 lines have their videos" in begun.err
    assert "twenty.jsonl:18: RenderFailed: the provider could not render the video: too dark" in begun.err
    assert len(provider.creates_of(word)) == 17

    (cli.folder / name).write_text("\n".join([lines[0], *mended, *lines[4:]]))
    (hint,) = [line for line in begun.err.splitlines() if "when they are mended" in line]
    batch_id = f"batch-{hint.rpartition(' ')[2]}"
    again = await cli.run(*hint.partition("manxue ")[2].split(), "--json", seconds=300)
    assert json.loads(again.out)["counts"]["completed"] == 18
    assert len(provider.creates_of(word)) == 20

    report = await cli.run("batch", "report", batch_id, "--out", "report.html")
    assert report.out == "report.html\n"
    await look_at(cli.folder / "report.html", hostile)

    dark = False
    retried, twice = await cli.run("batch", "retry", batch_id), await cli.run("batch", "retry", batch_id)
    assert (retried.code, len(retried.out.splitlines())) == (0, 2)
    assert "exists already (completed), nothing new was started" in twice.err
    assert len(provider.creates_of(word)) == 22

    report = await cli.run("batch", "report", batch_id)
    assert (cli.folder / report.out.strip()).read_text().count('class="completed"') == 20


async def test_a_changed_file_does_not_pay_again_for_what_it_had_before(
    cli: CommandLine, provider: Provider, word: str
) -> None:
    name = jsonl(cli.folder / f"{word}.jsonl", [f"{word} 1", f"{word} 2"])
    assert (await cli.run("batch", name)).code == 0
    jsonl(cli.folder / name, [f"{word} 1", f"{word} 2", f"{word} 3"])

    refused = await cli.run("batch", name)
    assert refused.code == 2
    assert "2 of 3 different lines" in refused.err
    assert len(provider.creates_of(word)) == 2

    (key,) = re.findall(r"`--key (\S+)`", " ".join(refused.err.split()))
    assert (await cli.run("batch", name, "--key", key)).code == 0
    assert len(provider.creates_of(word)) == 3
    assert (await cli.run("batch", name, "--key", word)).code == 0
    assert len(provider.creates_of(word)) == 6


async def look_at(report: Path, hostile: str) -> None:
    """The report in a real browser: everything is there, plays when pointed at, and runs nothing of anybody else."""
    async with browser() as chromium:
        page = await chromium.new_page()
        asked: list[str] = []
        dialogs: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await page.goto(report.as_uri())
        assert await page.locator("article").count() == 20
        assert await page.locator(".prompt", has_text=hostile).count() == 1
        assert await page.locator("script").count() == 1
        assert await page.locator('article video[poster^="data:image/jpeg;base64,"]').count() == 18
        video = page.locator("#line-1 video")
        await video.hover()
        await seen(video, "video => video.currentTime > 0.1")
        await page.locator("h1").hover()
        await seen(video, "video => video.paused")
        for state, count in (("failed", 2), ("completed", 18), ("all", 20)):
            await page.get_by_role("button", name=state).click()
            assert await page.locator("article:visible").count() == count
        assert "too dark" in (await page.locator("article.failed").first.text_content() or "")
        assert dialogs == []
        assert {url.partition(":")[0] for url in asked} == {"file"}


async def seen(element: Locator, condition: str) -> None:
    """Wait until a condition on an element holds."""
    async with asyncio.timeout(PATIENCE):
        while not await element.evaluate(condition):
            await asyncio.sleep(0.05)


async def test_a_batch_is_paused_resumed_limited_and_cancelled_and_what_was_paid_is_fetched_later(
    cli: CommandLine, runs: Runs, provider: Provider, word: str
) -> None:
    name = jsonl(cli.folder / "some.jsonl", [f"{word} {n}" for n in range(5)], poll=ASLEEP)
    batch_id = (await cli.run("batch", name, "-d", "--concurrency", "2", "--key", word)).out.strip()
    handle = runs.client.get_workflow_handle(batch_id)
    await until(handle, lambda now: now["counts"]["running"] == 2)
    paused = await cli.run("batch", "pause", batch_id)
    assert f"manxue batch resume {batch_id}" in paused.err
    shown, more = await cli.run_all(("batch", "status", batch_id), ("batch", "concurrency", batch_id, "3"))
    assert "paused, for" in shown.out
    assert "0 of 5 completed, 2 in flight, 3 waiting" in shown.out
    assert "at most 3 runs" in more.err
    resumed = await cli.run("batch", "resume", batch_id)
    assert "running" in resumed.err
    async with asyncio.timeout(PATIENCE):
        while len(provider.creates_of(word)) < 3:
            await asyncio.sleep(0.1)
    async with cli.started("batch", "watch", batch_id) as watching:
        await watching.says("3 in flight")
        watching.interrupt()
        assert (await watching.told()).code == 130
    same, other = await cli.run_all(("batch", name, "--key", word, "-d"), ("batch", "retry", batch_id))
    assert "exists already (running)" in same.err
    assert "is going on" in other.err
    for run in (await progress(handle))["running"]:
        await until(runs.client.get_workflow_handle(run["workflow_id"]), lambda now: now["task_id"] is not None)
    cancelled = await cli.run("batch", "cancel", batch_id)
    assert "3 canceled, 2 waiting" in cancelled.err
    twice = await cli.run("batch", name, "--key", word)
    assert (twice.code, len(provider.creates_of(word))) == (1, 3)
    assert f"manxue batch retry {batch_id}" in twice.err

    async with cli.started("batch", "retry", batch_id) as retrying:
        await retrying.says("in flight")
        async with asyncio.timeout(PATIENCE):
            while len(provider.creates_of(word)) < 5:
                await asyncio.sleep(0.1)
        again = runs.client.get_workflow_handle(f"{batch_id}~2")
        for run in (await progress(again))["running"]:
            child = runs.client.get_workflow_handle(run["workflow_id"])
            await until(child, lambda now: now["task_id"] is not None)
            for _ in range(3):
                await child.execute_update("poll_now")
        told = await retrying.told()
    assert (told.code, len(told.out.splitlines())) == (0, 5)
    assert len(provider.creates_of(word)) == 5


async def test_a_batch_that_waits_for_a_decision_says_so_and_goes_on_with_the_others(
    cli: CommandLine, runs: Runs, provider: Provider, word: str
) -> None:
    provider.on_create[f"{word} 1"] = lambda body: JSONResponse({"half": "an answer"}, 500)
    name = jsonl(cli.folder / "held.jsonl", [f"{word} {n}" for n in range(4)])
    async with cli.started("batch", name, "--concurrency", "2") as watching:
        await watching.says("held.jsonl:2: needs a decision: manxue status ")
        await watching.says("3 of 4 completed")
        (run,) = (await progress(runs.client.get_workflow_handle(await held(runs, word))))["running"]
        settled = await cli.run("resolve", run["workflow_id"], "--abandon")
        assert settled.code == 0
        told = await watching.told()
    assert told.code == 1
    assert "held.jsonl:2: SubmissionUnknown" in told.err
    assert len(provider.creates_of(word)) == 4
    again = await cli.run("batch", "retry", await held(runs, word), "-d")
    child = runs.client.get_workflow_handle(run["workflow_id"])
    assert (await until(child, lambda now: now["phase"] == "needs_decision"))["decision"]
    assert len(provider.creates_of(word)) == 4
    assert again.code == 0


async def held(runs: Runs, word: str) -> str:
    """The id of the one batch of that file."""
    async for run in runs.client.list_workflows("WorkflowType = 'GenerateBatch'"):
        if (await run.memo()).get("source") == "held.jsonl" and "~" not in run.id:
            return run.id
    raise AssertionError(word)
