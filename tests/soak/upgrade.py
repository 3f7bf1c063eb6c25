"""`python -m tests.soak.upgrade`: workers with other workflow code take over while renders are in flight.

The old version's worker is stopped as soon as no run is left on it. Every run must complete, with one create call.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError

from tests.support.connected import connected
from tests.support.processes import API_KEY, DevServer, WorkerProcess
from tests.support.provider import Provider, Task, bad_gateway, reached
from tests.support.runs import FAST, Handle, Runs, request, until
from tests.support.worker_versions import set_current

DEPLOYMENT = "renders"
PHASES = ("queued", "rendering", "needs_decision", "reviewing_assets", "submitting")
"""Where runs are when the new version comes."""
_MOST_SUBMITTING = 2
"""Each holds a thread of the provider."""
_PATIENCE = 180
_OVERTAKEN = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
"""The server's own, and no fault: something came for the run while it said that it was over."""


@dataclass
class Findings:
    """What became of the runs."""

    runs: int
    completed: int = 0
    failures: list[str] = field(default_factory=list)
    creates: Counter[str] = field(default_factory=Counter)
    """Prompt -> create calls."""
    failed_tasks: Counter[str] = field(default_factory=Counter)
    """Workflow tasks by cause, as when code does not fit a history."""
    builds: Counter[str] = field(default_factory=Counter)
    """The builds that carried out a render, in order -> renders."""
    mixed: int = 0
    """Workflow runs that more than one build had a hand in."""
    batch: dict[str, Any] = field(default_factory=dict)
    batch_builds: str = ""
    stopped_with: int | None = None
    """The old worker's exit code."""
    drained_after: float = 0.0
    """Seconds from the switch until no run was left on the old version."""

    def breaches(self) -> list[str]:
        """Every promise that was not kept."""
        paid_again = [prompt for prompt, count in self.creates.items() if count != 1]
        return [
            text
            for broken, text in (
                (self.completed != self.runs, f"only {self.completed} of {self.runs} completed: {self.failures}"),
                (bool(paid_again), f"not one create call for {paid_again}"),
                (bool(self.failed_tasks), f"workflow tasks failed: {dict(self.failed_tasks)}"),
                (self.mixed > 0, f"{self.mixed} runs met other code in the middle"),
                (self.builds.keys() != {"old -> new"}, f"not all moved from the old build to the new: {self.builds}"),
                (self.batch.get("completed") != 4, f"the batch: {self.batch}"),
                (self.batch_builds != "old -> new", f"the batch did not move: {self.batch_builds}"),
                (self.stopped_with != 0, f"the old worker ended with {self.stopped_with}"),
            )
            if broken
        ]

    def report(self) -> list[str]:
        """For people."""
        return [
            f"renders, completed            {self.runs}, {self.completed}",
            f"create calls                  {self.creates.total()}, batch included",
            f"builds                        {dict(self.builds)}",
            f"old version left after        {self.drained_after:.1f} s",
            *(f"  ! {breach}" for breach in self.breaches()),
        ]


class Upgrade:
    """The scene: a server, a provider that comes to no end before it is told to, two builds of the worker."""

    def __init__(self, folder: Path, server: DevServer, provider: Provider, client: Client, runs: int) -> None:
        self._folder, self._server, self._provider, self._client = folder, server, provider, client
        self.findings = Findings(runs)
        self._released = False
        self._switched = False
        self._answers: list[threading.Event] = []
        self._handles: dict[str, list[Handle]] = {phase: [] for phase in PHASES}
        self.workers: list[WorkerProcess] = []
        provider.asset_states = lambda _: "Active" if self._switched else "Processing"

    async def play(self) -> None:
        """From the first run to the last one's end."""
        old = await self._worker("old")
        await self._start_all()
        batch = await self._start_batch()
        await self._worker("new", changed=True)
        began = time.monotonic()
        await self._go_on()
        await self._until_left("old")
        self.findings.drained_after = time.monotonic() - began
        self.findings.stopped_with = await asyncio.to_thread(old.stop)
        self._released = True
        for handle in (handle for handles in self._handles.values() for handle in handles):
            await self._see(handle)
        self.findings.batch = (await asyncio.wait_for(batch.result(), _PATIENCE))["counts"]
        self.findings.batch_builds = await self._builds(batch)
        self.findings.creates = Counter(str(body["prompt"]) for body in self._provider.creates)

    async def _worker(self, build: str, changed: bool = False) -> WorkerProcess:
        env = {
            "TEMPORAL_ADDRESS": self._server.address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": self._provider.url,
            "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MANXUE_OUTPUT": str(self._folder / "videos"),
            "MANXUE_DEPLOYMENT_NAME": DEPLOYMENT,
            "MANXUE_BUILD_ID": build,
        }
        worker = WorkerProcess(self._folder, env, changed=changed)
        self.workers.append(worker)
        await asyncio.to_thread(worker.ready)
        await set_current(self._server, DEPLOYMENT, build)
        return worker

    async def _start_all(self) -> None:
        for number in range(self.findings.runs):
            kind = PHASES[number % len(PHASES)]
            phase = kind if kind != "submitting" or len(self._handles[kind]) < _MOST_SUBMITTING else "rendering"
            self._handles[phase].append(await self._start(number, phase))
        for phase, handles in self._handles.items():
            if phase == "submitting":
                continue
            for handle in handles:
                # A poll at least: nothing of the run is under way but the wait for the provider.
                await until(handle, lambda now: now["phase"] == phase and (now["task_id"] is None or now["polls"] > 0))  # noqa: B023

    async def _start(self, number: int, phase: str) -> Handle:
        prompt, more = f"[{number}]", {}
        match phase:
            case "needs_decision":
                answers = [bad_gateway]
                self._provider.on_create[prompt] = lambda _: answers.pop()() if answers else None
            case "reviewing_assets":
                more["first_image"] = self._provider.image(f"{number}.png", f"hsl({number * 17 % 360}, 60%, 50%)")
            case "submitting":
                self._provider.hold_create[prompt] = threading.Event()
                self._answers.append(self._provider.hold_create[prompt])
        status = "queued" if phase == "queued" else "processing"

        def answer(task: Task) -> dict[str, Any] | None:
            return None if self._released else self._provider.status(task, status)

        self._provider.on_query[prompt] = answer
        given = {"request": request(prompt, **more), "poll": FAST, "name": f"upgrade-{number}", "preview": False}
        handle = await Runs(self._client, "manxue").start(given, workflow_id=f"upgrade-{number}")
        if phase == "submitting":
            await reached(self._provider, prompt)
        return handle

    async def _start_batch(self) -> Handle:
        """Four renders, two at a time, which go on until the new version is there."""
        self._provider.on_query["<batch>"] = lambda task: (
            None if self._switched else self._provider.status(task, "processing")
        )
        lines = [{"request": request(f"<batch> {number}"), "poll": FAST} for number in range(4)]
        given = {"requests": lines, "concurrency": 2}
        batch = await self._client.start_workflow("GenerateBatch", given, id="upgrade-batch", task_queue="manxue")
        await until(batch, lambda now: now["counts"]["running"] == 2)
        return batch

    async def _go_on(self) -> None:
        """What the runs waited for comes, while the old worker is still there for those that need it."""
        for answer in self._answers:
            answer.set()
        self._switched = True
        for handle in self._handles["needs_decision"]:
            prompt = f"[{handle.id.rpartition('-')[2]}]"
            task_id = next(task.id for task in self._provider.tasks.values() if task.body["prompt"] == prompt)
            await handle.execute_update("resolve_submission", {"action": "adopt", "task_id": task_id})

    async def _until_left(self, build: str) -> None:
        """Nothing that is pinned runs on that version."""
        version = f"TemporalWorkerDeploymentVersion = '{DEPLOYMENT}:{build}'"
        query = f"{version} AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'"
        async with asyncio.timeout(_PATIENCE):
            while (await self._client.count_workflows(query)).count:
                await asyncio.sleep(0.3)

    async def _see(self, handle: Handle) -> None:
        try:
            await asyncio.wait_for(handle.result(), _PATIENCE)
            self.findings.completed += 1
        except WorkflowFailureError as error:
            self.findings.failures.append(f"{handle.id}: {error.cause}")
        self.findings.builds[await self._builds(handle)] += 1

    async def _builds(self, handle: Handle) -> str:
        """The builds of the runs of a chain, each once, in order."""
        builds: list[str] = []
        run_id = handle.first_execution_run_id
        while run_id:
            history = await self._client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
            completed = [event.workflow_task_completed_event_attributes for event in history.events]
            seen = {task.deployment_version.build_id for task in completed} - {""}
            self.findings.mixed += len(seen) != 1
            failed = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED]
            causes = [event.workflow_task_failed_event_attributes.cause for event in failed]
            self.findings.failed_tasks.update(WorkflowTaskFailedCause.Name(it) for it in causes if it != _OVERTAKEN)
            builds += [build for build in sorted(seen) if build not in builds]
            run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        return " -> ".join(builds)


async def upgrade(runs: int, folder: Path) -> Findings:
    """Run it in `folder`, with so many renders in flight."""
    server, provider = await asyncio.to_thread(DevServer, folder), Provider()
    provider.start()
    client = await connected(server)
    scene = Upgrade(folder, server, provider, client, runs)
    try:
        await scene.play()
    finally:
        for worker in scene.workers:
            worker.kill()
        server.kill()
        provider.stop()
    return scene.findings


def main() -> int:
    """Parse, run, report; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make soak-upgrade", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="renders in flight (default: 50)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="manxue-upgrade-") as folder:
        findings = asyncio.run(upgrade(given.runs, Path(folder)))
    print("\n".join(findings.report()))
    return 1 if findings.breaches() else 0


if __name__ == "__main__":
    sys.exit(main())
