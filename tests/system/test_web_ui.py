"""What an operator reads in the Temporal Web UI about a run."""

import asyncio
import os
import re

import pytest
from playwright.async_api import Page
from starlette.responses import JSONResponse
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from tests.support.four_runs import four_runs
from tests.support.processes import BIN, DevServer
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, cancel, failure_of, outcome, request, until_phase
from tests.support.web_ui import WebUI


@pytest.fixture
def ui(page: Page, server: DevServer) -> WebUI:
    """The Web UI of the server."""
    return WebUI(page, server.ui_url)


def result_of(event: HistoryEvent) -> bytes:
    """What an activity has returned; nothing for other events."""
    return b"".join(payload.data for payload in event.activity_task_completed_event_attributes.result.payloads)


async def shell(command: str) -> tuple[int | None, str]:
    """Run a command as somebody who has copied it: exit code and output."""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_shell(
        command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_running_a_held_a_failed_and_a_finished_run_explain_themselves(
    ui: WebUI, runs: Runs, provider: Provider, server: DevServer, word: str
) -> None:
    four = await four_runs(runs, provider, word)

    shown = await ui.open(four.running, "user-metadata", "sd2_manxue_1080p · text · a lighthouse", "Next: poll ")
    assert re.search(r"Next: poll [3-9] at 20", shown)
    wanted = [
        "Rendering The provider renders the video (40 %).",
        "Since: 20",
        "Deadline: 20",
        "says “processing”, 40 %",
    ]
    assert [text for text in wanted if text not in shown] == []
    assert shown.count("waves as high as houses") == 3  # in the summary, and in the table of both details
    wanted = ["rendering 40 %; polls 2 to 22 of task", "poll 1 of task", "create a 8 s video", "check the request"]
    await ui.open(four.running, "timeline", *wanted)

    result = await outcome(four.finished)
    wanted = [
        "Completed The video is at",
        result["video"]["uri"],
        "1280×720, 4.00 s",
        f"first_image: passed, as asset-{word}.png",
    ]
    await ui.open(four.finished, "user-metadata", *wanted)

    await ui.open(four.failed, "user-metadata", "RenderFailed: the provider could not render", "What to do: Change the")
    await ui.runs(f'ManxuePhase = "failed" AND WorkflowId = "{four.failed.id}"', "1 Workflow", four.failed.id)

    wanted = ["Needs decision Nobody knows", "502 Bad Gateway", f"manxue resolve {four.held.id} --adopt TASK_ID"]
    await ui.open(four.held, "user-metadata", *wanted, "Next: your decision", "a paper boat")
    abandon = (await ui.code())[-1]
    assert server.address in abandon
    assert (await shell(abandon))[0] == 0
    assert (await failure_of(four.held)).type == "SubmissionUnknown"
    await cancel(four.running)


async def test_the_memo_tells_lists_what_was_asked_how_it_ended_and_where_the_video_is(runs: Runs, word: str) -> None:
    handle = await runs.start(request=request(word), poll=FAST)
    uri = (await outcome(handle))["video"]["uri"]
    wanted = {"summary": f"sd2_manxue_720p · text · {word}", "outcome": f"The video is at {uri}.", "video": uri}
    assert wanted.items() <= (await (await handle.describe()).memo()).items()
    failed = await runs.start(request=request(word, duration=99), poll=FAST)
    assert (await failure_of(failed)).type == "InvalidRequest"
    assert "InvalidRequest: the input has 1 problem: duration" in (await (await failed.describe()).memo())["outcome"]


async def test_every_activity_and_timer_says_what_it_is_for(
    runs: Runs, provider: Provider, client: Client, word: str
) -> None:
    busy = [JSONResponse({"msg": "busy"}, 429)]
    provider.on_create[word] = lambda body: busy.pop() if busy else None
    face = provider.image(f"{word}.png", f"#{word[-6:]}")
    handle = await runs.start(request=request(word, first_image=face), poll=FAST)
    await outcome(handle)
    events = list((await handle.fetch_history()).events)
    (review_id,) = {found[1] for event in events if (found := re.search(rb'"review_id":"([^"]+)"', result_of(event)))}
    events += (await client.get_workflow_handle(review_id.decode()).fetch_history()).events
    kinds = (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_TIMER_STARTED)
    begun = [event for event in events if event.event_type in kinds]
    assert len(begun) > 8
    assert [event for event in begun if not event.user_metadata.HasField("summary")] == []


async def test_a_hostile_prompt_is_words_on_the_page_and_nothing_else(
    ui: WebUI, runs: Runs, provider: Provider, word: str
) -> None:
    prompt = f"{word} | a | <img src=x onerror=alert(1)> ![x](http://a.b/x.png) [y](http://z) `c` **d** {{runId}}"
    provider.on_query[word] = lambda task: provider.status(task, "processing")
    handle = await runs.start(request=request(prompt), poll=FAST)
    await until_phase(handle, "rendering")
    await ui.open(handle, "user-metadata", prompt)
    for frame in ui.page.frames[1:]:
        assert await frame.locator("img, strong:text-is('d'), a:text-is('y'), code:text-is('c')").count() == 0
    await cancel(handle)
