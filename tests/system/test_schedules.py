"""What `manxue schedule` promises on the real server: times that fire, requests that follow, nothing bought twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from starter.cli.schedule_make import changed
from starter.schedule_plan import changed_plan
from starter.schedules import Recurring
from starter.staging import LocalMedia
from tests.support.command_line import CommandLine, Told
from tests.support.patience import PATIENCE
from tests.support.processes import DevServer, free_port
from tests.support.provider import Provider
from tests.support.runs import FAST, failure_of, outcome, path_of

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def cli(server: DevServer, tmp_path: Path) -> CommandLine:
    """The program on the shared server, in a zone of its own."""
    return CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address, "TZ": "Asia/Tokyo"})


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    """A name for a schedule, which is gone after the test."""
    name = f"s-{uuid4().hex[:8]}"
    yield name
    async for listed in await client.list_schedules():
        if listed.id == name:
            await client.get_schedule_handle(name).delete()


def request_file(cli: CommandLine, word: str, file: str = "request.yaml", **more: Any) -> str:
    """A request that says when it was planned, and rotates."""
    prompt = f"{word} {{{{ counter }}}} {{{{ utc }}}} {{{{ pick(animals) }}}}"
    request = {"model": "sd2_manxue_720p", "prompt": prompt, "duration": 4}
    fields = {"request": request, "template": {"lists": {"animals": ["cat", "dog", "owl"]}}, "poll": FAST, **more}
    (cli.folder / file).write_text(yaml.safe_dump(fields))
    return file


async def made(cli: CommandLine, name: str, *options: str) -> Told:
    """Make a schedule that does what the options say."""
    told = await cli.run("schedule", "create", name, "--request", "request.yaml", *options)
    assert told.code == 0, told.err
    assert told.out == f"{name}\n"
    return told


async def described(cli: CommandLine, name: str) -> dict[str, Any]:
    """What `describe --json` says."""
    told = await cli.run("schedule", "describe", name, "--json")
    assert told.code == 0, told.err
    known: dict[str, Any] = json.loads(told.out)
    return known


async def started(client: Client, name: str, count: int) -> list[str]:
    """The workflow ids of the first `count` or more runs, once they have started."""
    async with asyncio.timeout(PATIENCE):
        while True:
            info = (await client.get_schedule_handle(name).describe()).info
            if len(info.recent_actions) >= count:
                return [result.action.workflow_id for result in info.recent_actions]  # type: ignore[attr-defined]
            await asyncio.sleep(0.1)


async def completed(client: Client, name: str, count: int) -> None:
    """Wait until that many runs have started and ended."""
    ids = await started(client, name, count)
    assert len(ids) == count
    await asyncio.gather(*(outcome(client.get_workflow_handle(workflow_id)) for workflow_id in ids))


def prompts(provider: Provider, word: str) -> list[list[str]]:
    """Number, time and animal of each request that was bought, by time."""
    return sorted((body["prompt"].split()[1:] for body in provider.creates_of(word)), key=lambda words: words[1])


async def test_a_schedule_fires_and_its_requests_rotate_and_carry_their_planned_times(
    cli: CommandLine, client: Client, provider: Provider, name: str, word: str
) -> None:
    request_file(cli, word)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
    span = ("--start", start.isoformat(), "--end", (start + timedelta(seconds=6)).isoformat())
    told = await made(cli, name, "--every", "2s", *span, "--jitter", "1s", "--timezone", "Europe/Berlin")
    assert "the next times:" in told.err
    handle = client.get_schedule_handle(name)
    async with asyncio.timeout(PATIENCE):
        while (await handle.describe()).info.next_action_times:
            await asyncio.sleep(0.2)
    await completed(client, name, len(await started(client, name, 1)))
    known = await described(cli, name)
    bought = prompts(provider, word)
    assert len(bought) == known["started"]
    for run, (number, utc, animal) in zip(reversed(known["runs"]), bought, strict=True):
        time = datetime.fromisoformat(utc)
        assert time == start + timedelta(seconds=2 * (int(number) - 1))
        assert animal == ("cat", "dog", "owl")[(int(number) - 1) % 3]
        assert run["workflow_id"] == f"{name}-{time:%Y-%m-%dT%H:%M:%SZ}"
        assert run["outcome"].endswith(f"/{name}-{time:%Y%m%dT%H%M%SZ}.mp4")
    assert int(bought[-1][0]) == 4
    one = await client.get_workflow_handle(known["runs"][0]["workflow_id"]).describe()
    assert "pick(animals)" in str(await one.static_summary())
    assert f"Started by the schedule `{name}`, every 2 s" in str(await one.static_details())
    shown = (await cli.run("schedule", "describe", name)).out
    assert f"{known['started']} started" in shown
    assert shown.count(" JST  (") == 2 + len(known["runs"])  # also where it begins and ends


async def test_a_paused_schedule_starts_nothing_until_it_goes_on_and_a_deleted_one_is_gone(
    cli: CommandLine, client: Client, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli.with_(MANXUE_TASK_QUEUE="nobody"), name, "--every", "1s", "--note", "hi")
    await started(client, name, 1)
    assert (await cli.run("schedule", "pause", name, "--note", "enough")).code == 0
    handle = client.get_schedule_handle(name)
    known = await described(cli, name)
    before = known["started"]
    listed = json.loads((await cli.run("schedule", "list", "--json")).out)
    assert [one["times"] for one in listed if one["name"] == name] == ["every 1 s"]
    assert (known["state"], known["note"]) == ("paused", "enough")
    assert {(run["state"], run["outcome"]) for run in known["runs"]} == {("running", "waits for a worker")}
    shown = (await cli.run("schedule", "describe", name)).out
    assert "next, once it is no longer paused" in shown
    assert (await handle.describe()).info.num_actions == before
    assert (await cli.run("schedule", "unpause", name)).code == 0
    async with asyncio.timeout(PATIENCE):
        while (await handle.describe()).info.num_actions == before:
            await asyncio.sleep(0.2)
    assert (await cli.run("schedule", "delete", name)).code == 0
    gone = await cli.run("schedule", "describe", name)
    assert (gone.code, f"there is no schedule {name!r}" in gone.err) == (3, True)


async def test_each_trigger_is_a_run_of_its_own_and_a_skipped_one_says_so(
    cli: CommandLine, client: Client, provider: Provider, name: str, word: str
) -> None:
    request_file(cli, word)
    provider.on_query[word] = lambda task: provider.status(task, "queued")
    await made(cli, name, "--cron", "0 0 1 1 *", "--overlap", "skip")
    first = await cli.run("schedule", "trigger", name)
    second = await cli.run("schedule", "trigger", name)
    assert (first.code, second.code, second.out) == (0, 3, "")
    assert "another run goes on, and the schedule's overlap policy is to skip" in second.err
    third = await cli.run("schedule", "trigger", name, "--overlap", "allow_all")
    fourth = await cli.run("schedule", "trigger", name, "--overlap", "allow_all")
    assert len({first.out, third.out, fourth.out}) == 3
    del provider.on_query[word]
    await completed(client, name, 3)
    assert set(await started(client, name, 3)) == {told.out.strip() for told in (first, third, fourth)}
    assert len(provider.creates_of(word)) == 3
    assert {number for number, _, _ in prompts(provider, word)} == {"0"}


async def test_a_trigger_does_not_wait_for_a_clock_that_is_behind(
    cli: CommandLine, client: Client, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli.with_(MANXUE_TASK_QUEUE="nobody"), name, "--cron", "0 0 1 1 *")
    first = (await cli.run("schedule", "trigger", name)).out.strip()
    found = await Recurring.find(client, name)
    (last,) = found.description.info.recent_actions
    last.scheduled_at += timedelta(hours=1)
    assert await asyncio.wait_for(found.trigger(None), 20) != first


async def test_a_backfill_says_what_it_buys_and_asks_and_buys_nothing_twice(
    cli: CommandLine, client: Client, provider: Provider, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli, name, "--cron", "0 9 * * MON-FRI", "--timezone", "Europe/Berlin")
    backfill = ("schedule", "backfill", name, "--from", "2026-03-27", "--to", "2026-03-30T09:00")
    refused = await cli.run(*backfill)
    assert (refused.code, "2 planned times: this buys up to 2 renders." in refused.err) == (2, True)
    assert not provider.creates_of(word)
    assert (await cli.run(*backfill, stdin="y\n")).code == 0
    await completed(client, name, 2)
    assert await started(client, name, 2) == [f"{name}-2026-03-27T08:00:00Z", f"{name}-2026-03-30T07:00:00Z"]
    (thursday, _, first), (friday, _, second) = prompts(provider, word)
    assert int(friday) == int(thursday) + 1
    assert (first, second) in [("cat", "dog"), ("dog", "owl"), ("owl", "cat")]
    again = await cli.run(*backfill, "--yes", "--overlap", "buffer_all")
    assert again.code == 0
    assert "this buys up to 0 renders" in again.err
    assert "What was bought for 2 of them before is found again" in again.err
    await completed(client, name, 4)
    assert len({run["outcome"] for run in (await described(cli, name))["runs"]}) == 2
    assert len(provider.creates_of(word)) == 2
    request_file(cli, f"{word} other")
    assert (await cli.run("schedule", "update", name, "--request", "request.yaml")).code == 0
    assert (await cli.run(*backfill, "--yes")).code == 0
    for workflow_id in (await started(client, name, 6))[4:]:
        failure = await failure_of(client.get_workflow_handle(workflow_id))
        assert (failure.type, "has already submitted another request" in failure.message) == ("InvalidRequest", True)
    assert len(provider.creates_of(word)) == 2
    nothing = await cli.run("schedule", "backfill", name, "--from", "2026-03-28", "--to", "2026-03-29")
    assert (nothing.code, "there are none" in nothing.err) == (2, True)


async def test_a_reset_run_makes_the_same_request_and_finds_what_it_bought(
    cli: CommandLine, client: Client, provider: Provider, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli, name, "--every", "30d")
    workflow_id = (await cli.run("schedule", "trigger", name)).out.strip()
    handle = client.get_workflow_handle(workflow_id)
    before = await outcome(handle)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            workflow_task_finish_event_id=4,
            reason="a test",
            request_id=uuid4().hex,
        )
    )
    after = await outcome(client.get_workflow_handle(workflow_id))
    assert (after["task_id"], path_of(after)) == (before["task_id"], path_of(before))
    assert len(provider.creates_of(word)) == 1


async def test_an_update_changes_what_is_given_and_numbers_go_on(
    cli: CommandLine, client: Client, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli, name, "--cron", "0 9 * * *", "--overlap", "skip", "--note", "first")
    preview = ("schedule", "update", name, "--preview", "4")
    daily = list(yaml.safe_load_all((await cli.run(*preview, "--timezone", "Asia/Kathmandu")).out))
    assert [one["counter"] for one in daily] == [1, 2, 3, 4]
    assert all(one["time"].endswith("T03:15:00+00:00") for one in daily)
    assert (await cli.run("schedule", "update", name, "--every", "1h", "--note", "second")).code == 0
    request_file(cli, word, "other.yaml", name="other")
    changed = await cli.run("schedule", "update", name, "--request", "other.yaml", "--pause-on-failure")
    assert changed.code == 0, changed.err
    hourly = list(yaml.safe_load_all((await cli.run(*preview, "--request", "other.yaml")).out))
    assert [one["counter"] for one in hourly] == [1, 2, 3, 4]
    assert hourly[0]["name"].startswith("other-")

    def from_outside(given: ScheduleUpdateInput) -> ScheduleUpdate:
        minutes = [ScheduleRange(0, 59, 20)]
        given.description.schedule.spec = ScheduleSpec(
            calendars=[ScheduleCalendarSpec(minute=minutes, hour=[ScheduleRange(0, 23)])]
        )
        return ScheduleUpdate(given.description.schedule)

    await client.get_schedule_handle(name).update(from_outside)
    seen = await cli.run("schedule", "describe", name)
    assert "note      second" in seen.out
    assert "times     */20 * * * * UTC" in seen.out
    assert "The times were changed outside of `manxue`" in seen.err
    assert (await cli.run("schedule", "update", name)).code == 0
    mended = await cli.run("schedule", "describe", name, "--json")
    assert "were changed outside" not in mended.err
    known = json.loads(mended.out)
    assert (known["note"], known["overlap"], known["pause_on_failure"]) == ("second", "skip", True)
    times = [datetime.fromisoformat(time) for time in known["next"]]
    assert {time.minute for time in times} == {0, 20, 40}


async def test_an_update_leaves_what_others_have_set_also_while_it_is_made(
    cli: CommandLine, client: Client, name: str, word: str
) -> None:
    request_file(cli, word)
    await made(cli, name, "--cron", "0 9 * * *")
    handle = client.get_schedule_handle(name)

    def from_outside(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        schedule.action.execution_timeout, schedule.action.memo = timedelta(days=3), {"team": "promo"}
        schedule.state.limited_actions, schedule.state.remaining_actions = True, 5
        return ScheduleUpdate(schedule)

    await handle.update(from_outside)
    found = await Recurring.find(client, name)
    plan = await changed_plan(found, {"cron": "0 10 * * *"}, None, {}, LocalMedia(None, templates=True))
    assert plan.checked
    await cli.run("schedule", "pause", name)  # as somebody may while files are uploaded
    await found.change(lambda schedule: changed(schedule, name, plan, "later"), plan.checked.request, plan.fields or {})
    schedule = (await handle.describe()).schedule
    assert isinstance(schedule.action, ScheduleActionStartWorkflow)
    assert (schedule.state.paused, schedule.state.remaining_actions, schedule.state.note) == (True, 5, "later")
    assert schedule.action.execution_timeout == timedelta(days=3)
    run = client.get_workflow_handle((await cli.run("schedule", "trigger", name)).out.strip())
    started = await run.describe()
    assert (await started.memo())["team"] == "promo"
    assert "0 10 " in str(await started.static_details())
    assert (await outcome(run))["video"]


async def test_a_wrong_schedule_is_refused_with_everything_that_is_wrong_and_needs_no_server(
    cli: CommandLine, name: str, word: str
) -> None:
    nowhere = cli.with_(TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    request_file(cli, word, template={"lists": {"animal": ["cat"]}})
    create = ("schedule", "create", name, "--request", "request.yaml")
    wrong = await nowhere.run(*create, "--cron", "0 9 * *", "--timezone", "Mars")
    assert wrong.code == 2
    assert "--cron: must have five fields" in wrong.err
    assert "--timezone: must be an IANA time zone" in wrong.err
    misspelt = await nowhere.run(*create, "--cron", "0 9 * * *")
    assert misspelt.code == 2
    assert "prompt: picks of a list that `template.lists` does not have: it has animal" in misspelt.err
    request_file(cli, word)
    preview = await nowhere.run(*create, "--cron", "0 9 * * *", "--timezone", "Europe/Berlin", "--preview", "5")
    assert preview.code == 0
    shown = list(yaml.safe_load_all(preview.out))
    assert [one["counter"] for one in shown] == [1, 2, 3, 4, 5]
    assert [one["request"]["prompt"].split()[-1] for one in shown] == ["cat", "dog", "owl", "cat", "dog"]
    assert (await nowhere.run(*create, "--cron", "0 9 * * *")).code == 4
    await made(cli, name, "--cron", "0 9 * * *")
    twice = await cli.run(*create, "--cron", "0 9 * * *")
    assert (twice.code, f"there is a schedule {name!r} already" in twice.err) == (2, True)
    assert (await cli.run("schedule", "pause", f"{name}-x")).code == 3


async def test_a_run_started_by_hand_names_the_time_itself(cli: CommandLine, provider: Provider, word: str) -> None:
    counter = {"cron": "0 9 * * *", "anchor": "2026-11-20T00:00:00Z"}
    template = {"lists": {"animals": ["cat", "dog", "owl"]}, "counter": counter}
    request_file(cli, word, template=template)
    lacking = await cli.run("generate", "--request", "request.yaml")
    assert lacking.code == 2
    assert "template.scheduled: is required in a run that no schedule has started" in lacking.err
    request_file(cli, word, template={**template, "scheduled": "2026-11-24T10:00:00+01:00"})
    done = await cli.run("generate", "--request", "request.yaml")
    assert done.code == 0, done.err
    assert prompts(provider, word) == [["5", "2026-11-24T09:00:00+00:00", "dog"]]
