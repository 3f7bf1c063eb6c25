"""`python -m tests.soak.batch`: thousands of requests in one batch, against a provider that is fast.

All must finish, each paid for once; no history may grow long; and the worker's memory must stay flat.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from emulator.config import EmulatorConfig
from emulator.server import EmulatorServer
from starter.batch import Batch
from tests.support.command_line import CommandLine
from tests.support.processes import API_KEY, DevServer, WorkerProcess
from tests.support.runs import FAST
from workflows.policies import EVENTS_PER_BATCH_RUN

SPEED = 2000
"""Times faster than the provider."""
_PROMPT_CHARACTERS = 1500
_GROWTH = 1.25
"""Of memory from the second quarter of the time to the last one, at most."""
_MARGIN = 300
"""Events beyond the limit at which a batch continues as new: what was under way then."""


@dataclass
class Findings:
    """What a soak of a batch shows."""

    lines: int
    completed: int = 0
    creates: int = 0
    seconds: float = 0.0
    runs: int = 0
    """Of the batch's chain."""
    longest: int = 0
    """Events of the longest of them."""
    largest: int = 0
    """Bytes of the largest."""
    longest_child: int = 0
    memory: list[int] = field(default_factory=list)
    """Resident bytes of the worker, every few seconds."""

    def quarters(self) -> list[float]:
        """The median memory in each quarter of the time, in MB."""
        count = len(self.memory)
        parts = [self.memory[count * i // 4 : count * (i + 1) // 4] or self.memory for i in range(4)]
        return [statistics.median(part) / 1e6 for part in parts]

    def breaches(self) -> list[str]:
        """Every promise that was not kept."""
        quarters = self.quarters()
        return [
            text
            for broken, text in (
                (self.completed != self.lines, f"only {self.completed} of {self.lines} lines completed"),
                (self.creates != self.lines, f"{self.creates} create calls for {self.lines} lines"),
                (self.longest > EVENTS_PER_BATCH_RUN + _MARGIN, f"a history of {self.longest} events"),
                (quarters[3] > _GROWTH * quarters[1], "the worker's memory grows"),
            )
            if broken
        ]

    def report(self) -> list[str]:
        """For people."""
        quarters = ", ".join(f"{megabytes:.0f}" for megabytes in self.quarters())
        return [
            f"lines, completed, create calls    {self.lines}, {self.completed}, {self.creates}",
            f"time                              {self.seconds:.0f} s, {self.lines / self.seconds:.1f} videos/s",
            f"runs of the batch                 {self.runs}",
            f"longest history of one            {self.longest} events, {self.largest / 1e3:.0f} kB",
            f"longest history of a video's run  {self.longest_child} events",
            f"worker's memory by quarters, MB   {quarters} (highest {max(self.memory) / 1e6:.0f})",
            *(f"  ! {breach}" for breach in self.breaches()),
        ]


async def soak(lines: int, concurrency: int, folder: Path) -> Findings:
    """Run it in `folder`."""
    findings = Findings(lines)
    async with EmulatorServer(EmulatorConfig(api_key=API_KEY, speed=SPEED)) as emulator:
        server = await asyncio.to_thread(DevServer, folder)
        env = {
            "TEMPORAL_ADDRESS": server.address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": emulator.url,
            "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MANXUE_OUTPUT": str(folder / "videos"),
            "MANXUE_LOG_LEVEL": "WARNING",
        }
        worker = WorkerProcess(folder, env)
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        try:
            await _run(client, worker, concurrency, folder, findings)
            findings.creates = len(emulator.ledger.creates)
        finally:
            worker.kill()
            await asyncio.to_thread(server.kill)
    return findings


async def _run(client: Client, worker: WorkerProcess, concurrency: int, folder: Path, findings: Findings) -> None:
    file = folder / "soak.jsonl"
    body = {"model": "sd2_manxue_fast_720p", "duration": 4}
    prompts = (
        f"{number:06} {'a lighthouse in a storm ' * (_PROMPT_CHARACTERS // 24)}" for number in range(findings.lines)
    )
    file.write_text("".join(json.dumps({"request": {**body, "prompt": text}, "poll": FAST}) + "\n" for text in prompts))
    cli = CommandLine(folder, {"TEMPORAL_ADDRESS": client.service_client.config.target_host})
    began = time.monotonic()
    told = await cli.run("batch", file.name, "--concurrency", str(concurrency), "--detach", seconds=300)
    assert told.code == 0, told.err
    batch = await Batch.find(client, told.out.strip())
    measuring = asyncio.create_task(_measure(batch, worker, findings, began))
    findings.completed = (await batch.result()).counts.completed
    findings.seconds = time.monotonic() - began
    measuring.cancel()
    await _look_at_histories(client, batch, findings)


async def _measure(batch: Batch, worker: WorkerProcess, findings: Findings, began: float) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    while True:
        await asyncio.sleep(3)
        resident = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1]) * page
        findings.memory.append(resident)
        if len(findings.memory) % 10 == 0:
            counts = (await batch.progress()).counts
            passed = time.monotonic() - began
            print(
                f"{passed:5.0f} s: {counts.completed} completed, {resident / 1e6:.0f} MB", file=sys.stderr, flush=True
            )


async def _look_at_histories(client: Client, batch: Batch, findings: Findings) -> None:
    async for run in client.list_workflows(f"WorkflowId = '{batch.id}'"):
        described = await client.get_workflow_handle(run.id, run_id=run.run_id).describe()
        findings.runs += 1
        findings.longest = max(findings.longest, described.history_length)
        findings.largest = max(findings.largest, described.raw_description.workflow_execution_info.history_size_bytes)
    async for run in client.list_workflows("WorkflowType = 'GenerateVideo'"):
        findings.longest_child = max(findings.longest_child, run.history_length)


def main() -> int:
    """Parse, run, report; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make soak-batch", description=__doc__)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="manxue-soak-") as folder:
        findings = asyncio.run(soak(given.lines, given.concurrency, Path(folder)))
    print("\n".join(findings.report()))
    return 1 if findings.breaches() else 0


if __name__ == "__main__":
    sys.exit(main())
