"""What workers measure: each thing once, whatever happens to runs and workers, and all that anybody is shown."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import promql_parser
import yaml
from temporalio.client import Client

from tests.support.processes import ROOT
from tests.support.provider import Provider, bad_gateway
from tests.support.runs import FAST, Runs, failure_of, outcome, request, reset, until_phase
from tests.support.scrape import MeasuredWorker, Samples

QUEUE = "measured"
TASK_FAILURES = "temporal_workflow_task_execution_failed_total"
SHORT = 15
"""Events after which these runs continue as new."""
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/manxue.json"


@dataclass
class Story:
    """What was scraped on the way."""

    ended: Samples
    """After runs that succeeded, failed or were refused; one is held, and one is of a workflow that nobody knows."""
    was_reset: Samples
    """After the one that succeeded was reset, and succeeded again."""
    killed: Samples
    """Of the next worker, after the first one was killed."""
    decided: Samples
    """After the decision."""
    asked: int
    """How often the provider was asked about tasks until `ended`."""


async def test_a_day_of_runs_failures_a_reset_and_a_kill_is_measured_as_it_was(
    client: Client, worker_env: dict[str, str], provider: Provider, folder: Path, word: str
) -> None:
    story = await _told(client, worker_env | {"MANXUE_TASK_QUEUE": QUEUE}, provider, folder, word)
    the_end_of_each_run_counts_once_and_continued_runs_are_one(story)
    what_became_of_create_calls_is_counted(story)
    times_polls_and_bytes_are_those_of_finished_renders(story)
    model_names_that_callers_make_up_share_one_label(story)
    a_reset_counts_its_own_end_and_nothing_of_what_was_measured_before(story)
    after_a_kill_counters_begin_anew_and_open_runs_are_what_they_were(story)
    what_dashboard_and_alerts_ask_for_is_what_workers_export(story)
    what_workers_export_of_ours_is_shown_and_explained(story)


async def _told(client: Client, env: dict[str, str], provider: Provider, folder: Path, word: str) -> Story:
    provider.on_query[f"{word}-broken"] = lambda task: provider.status(task, "failed", error={"message": "no"})
    provider.on_create[f"{word}-held"] = lambda body: bad_gateway()
    runs = Runs(client, QUEUE)
    async with AsyncExitStack() as workers:

        def worker() -> MeasuredWorker:
            started = MeasuredWorker(folder, env, events=SHORT)
            workers.callback(started.kill)
            started.ready()
            return started

        first = worker()
        good = await runs.start(request=request(word, first_image=provider.image(f"{word}.png", "teal")), poll=FAST)
        own = request(word) | {"model": "somebodys_own_720p"}
        held = await runs.start(request=request(f"{word}-held"))
        stuck = await client.start_workflow("NobodyKnows", id=word, task_queue=QUEUE)
        await asyncio.gather(
            outcome(good),
            runs.result(request=own, allow_unknown_model=True, poll={"first": 1, "interval": 1}),  # waits in the poll
            runs.failure(request=request(f"{word}-broken"), poll=FAST),
            runs.failure(request=request(word) | {"duration": 99}),
            until_phase(held, "needs_decision"),
        )
        ended = await first.until(
            lambda now: now("manxue_open_runs", phase="needs_decision") == 1 and bool(now(TASK_FAILURES))
        )
        asked = sum(task.queries for task in provider.tasks.values() if str(task.body["prompt"]).startswith(word))
        await stuck.terminate()
        await outcome(await reset(good, 4))
        was_reset = await first.metrics()
        first.kill()
        second = worker()
        killed = await second.until(lambda now: now("manxue_open_runs", phase="needs_decision") == 1)
        await held.execute_update("resolve_submission", {"action": "abandon"})
        await failure_of(held)
        decided = await second.until(lambda now: now("manxue_open_runs", phase="needs_decision") == 0)
    return Story(ended, was_reset, killed, decided, asked)


def the_end_of_each_run_counts_once_and_continued_runs_are_one(story: Story) -> None:
    ended = story.ended
    assert ended("manxue_runs_total", outcome="completed", model="sd2_manxue_720p", reset="false") == 1
    assert ended("manxue_runs_total", outcome="RenderFailed", model="sd2_manxue_720p") == 1
    assert ended("manxue_runs_total", outcome="InvalidRequest", model="none") == 1
    assert ended("manxue_runs_total") == 4
    assert ended("temporal_workflow_continue_as_new_total", workflow_type="GenerateVideo")


def what_became_of_create_calls_is_counted(story: Story) -> None:
    assert story.ended("manxue_creates_total", outcome="accepted") == 3
    assert story.ended("manxue_creates_total", outcome="unknown") == 1
    assert story.ended("manxue_creates_total", outcome="refused") == 0


def times_polls_and_bytes_are_those_of_finished_renders(story: Story) -> None:
    ended = story.ended
    for name in ("queue_seconds", "render_seconds", "completion_seconds", "delivery_seconds", "polls_per_render"):
        assert ended(f"manxue_{name}_count", model="sd2_manxue_720p") == 1, name
    assert ended("manxue_polls_per_render_sum", model="sd2_manxue_720p") == 3
    assert ended("manxue_review_seconds_count", verdict="active", kind="image") == 1
    assert ended("manxue_provider_call_seconds_count", call="create", answer="2xx") == 3
    assert ended("manxue_provider_call_seconds_count", call="create", answer="5xx") == 1
    assert ended("manxue_provider_call_seconds_count", call="query", answer="2xx") == story.asked
    assert (ended("manxue_downloaded_bytes_total") or 0) > 1000


def model_names_that_callers_make_up_share_one_label(story: Story) -> None:
    assert story.ended("manxue_runs_total", outcome="completed", model="other") == 1
    assert "somebodys_own" not in story.ended.text


def a_reset_counts_its_own_end_and_nothing_of_what_was_measured_before(story: Story) -> None:
    was_reset, ended = story.was_reset, story.ended
    assert was_reset("manxue_runs_total", reset="true") == 1
    for name in ("runs_total", "creates_total", "delivery_seconds_count", "polls_per_render_count"):
        apart = {"reset": "false"} if name == "runs_total" else {}
        assert was_reset(f"manxue_{name}", **apart) == ended(f"manxue_{name}", **apart), name


def after_a_kill_counters_begin_anew_and_open_runs_are_what_they_were(story: Story) -> None:
    assert not story.killed("manxue_runs_total")
    assert not story.killed("manxue_creates_total")
    assert story.killed("manxue_open_runs") == 1
    assert story.killed("manxue_worker_ready") == 1
    assert story.decided("manxue_open_runs") == 0
    assert story.decided("manxue_decision_seconds_count", action="abandon") == 1
    assert story.decided("manxue_runs_total", outcome="SubmissionUnknown") == 1


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and of the alerts: where it stands, and what it is."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]


def what_dashboard_and_alerts_ask_for_is_what_workers_export(story: Story) -> None:
    exported = story.was_reset.names | story.decided.names | {"up"}
    asked = {name for _, query in queries() for name in re.findall(r"\b(?:manxue|temporal)_\w+(?=[{\[) ])", query)}
    assert len(asked) > 20
    assert asked <= exported, asked - exported
    for place, query in queries():
        of_downloads = [name for name in asked if f"{QUEUE}-downloads" in story.decided.labels(name, "task_queue")]
        if "$task_queue" in query and any(name in query for name in of_downloads):
            assert "($task_queue)(-downloads)?" in query, f"{place} leaves out the task queue of downloads"


def what_workers_export_of_ours_is_shown_and_explained(story: Story) -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    shown = " ".join(query for _, query in queries())
    for name in story.was_reset.names | story.decided.names:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if base.startswith("manxue_"):
            assert f"`{base}`" in manual, base
            assert base in shown, base


def test_every_query_is_promql() -> None:
    for place, query in queries():
        assert isinstance(promql_parser.parse(query), promql_parser.Expr), place


def test_every_alert_has_a_runbook_and_unit_tests_that_pass() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert [rule["annotations"]["runbook"] for rule in rules] == [
        f"docs/operations.md#{heading.lower()}" for heading in headings
    ]
    tests = yaml.safe_load(ALERTS.with_name("alerts_test.yml").read_text())["tests"]
    raised = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert raised == {rule["alert"] for rule in rules}
    if promtool := shutil.which("promtool"):  # Prometheus brings it; no package of Python's does
        subprocess.run([promtool, "test", "rules", str(ALERTS.with_name("alerts_test.yml"))], check=True)
