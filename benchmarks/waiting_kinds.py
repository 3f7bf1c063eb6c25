"""What waits in `in_flight`: a run of ours, or a bare Temporal workflow; and when each was due to ask and asked."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from temporalio.api.history.v1 import HistoryEvent

from activities.poll_attempt import Further
from benchmarks import bare_waiting
from tests.support.processes import API_KEY, ROOT, spawn, wait_for, worker_process
from tests.support.provider import Provider, Task
from tests.support.runs import request
from workflows.policies import POLLS_AHEAD


@dataclass
class Questions:
    """Of one run, each ascending."""

    due: list[datetime]
    asked: list[datetime]

    def late(self, began: datetime, ended: datetime, read: datetime) -> list[float]:
        """Seconds by which each question due from `began` until `ended` was late.

        One that had not been asked when it was `read` counts as asked then.
        """
        due = (moment for moment in self.due if began <= moment < ended)
        return [(next((at for at in self.asked if at >= moment), read) - moment).total_seconds() for moment in due]


class Kind(Protocol):
    """What waits."""

    name: str
    prelude: int
    """Polls after which a run goes on in the same way."""

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """A running worker; its process id."""

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """Workflow, input and task queue of a run."""

    def waiting(self, started: int) -> int:
        """How many of the `started` runs wait by now: it takes work to come so far."""

    def polls(self) -> int:
        """So far."""

    def questions(self, number: int, history: Iterable[HistoryEvent]) -> Questions:
        """Those of one run, which has this history."""


class Ours:
    """`GenerateVideo`, from the checks and the create call on."""

    name = "ours"
    prelude = 2  # the first asks once, the second begins to ask several times

    def __init__(self) -> None:
        self._asked: defaultdict[int, list[float]] = defaultdict(list)
        self._provider = Provider()
        self._provider.on_query["waiting"] = self._answer
        self._provider.start()

    def _answer(self, task: Task) -> dict[str, Any]:
        """One of as many answers as a poll asks for is news, at another time for each run."""
        number = int(task.body["prompt"].split()[1])
        self._asked[number].append(time.time())
        percent = (20, 40)[(task.queries + number) // (1 + POLLS_AHEAD) % 2]
        return self._provider.status(task, "processing", progress=percent)

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """See `Kind`."""
        env = {
            "TEMPORAL_ADDRESS": address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": self._provider.url,
            "MANXUE_OUTPUT": str(folder / "videos"),
            "MANXUE_MAX_CACHED_WORKFLOWS": str(cached),
        }
        with worker_process(folder, env) as worker:
            yield worker.process.pid

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """See `Kind`."""
        poll = {"first": first, "interval": interval, "max_interval": interval}
        return "GenerateVideo", {"request": request(f"waiting {number}"), "preview": False, "poll": poll}, "manxue"

    def waiting(self, started: int) -> int:
        """Those that are submitted."""
        return len(self._provider.tasks)

    def polls(self) -> int:
        """See `Kind`."""
        return sum(map(len, list(self._asked.values())))  # a list first: it grows in another thread

    def questions(self, number: int, history: Iterable[HistoryEvent]) -> Questions:
        """Due by a timer, or as the input of a poll says, until the next one says that the poll has ended before."""
        due: list[datetime] = []
        for event in history:
            payloads = event.activity_task_scheduled_event_attributes.input.payloads
            if timer := _due(event):
                due = [moment for moment in due if moment <= _time(event)] + [timer]
            elif event.activity_task_scheduled_event_attributes.activity_type.name == "poll" and len(payloads) > 1:
                further = Further.model_validate_json(payloads[1].data)
                due = [moment for moment in due if moment <= _time(event)] + further.moments()
                due += [further.first] if further.first else []
        return Questions(due, [datetime.fromtimestamp(at, UTC) for at in self._asked[number]])


class Bare:
    """A timer and a poll for each question, as the SDK's samples have them, and nothing else."""

    name = "bare Temporal"
    prelude = 1

    def __init__(self) -> None:
        self._logs: list[Path] = []

    @contextmanager
    def worker(self, folder: Path, address: str, cached: int) -> Iterator[int]:
        """See `Kind`."""
        log = folder / f"bare-{len(self._logs)}.log"
        log.touch()
        self._logs.append(log)
        process = spawn([sys.executable, "-m", "benchmarks.bare_waiting", address, str(cached)], log, cwd=ROOT)
        try:
            wait_for("worker.started", log, process)
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def given(self, number: int, first: float, interval: float) -> tuple[str, Any, str]:
        """See `Kind`."""
        return bare_waiting.WORKFLOW, {"first": first, "interval": interval}, bare_waiting.TASK_QUEUE

    def waiting(self, started: int) -> int:
        """All: they do nothing before."""
        return started

    def polls(self) -> int:
        """See `Kind`."""
        return sum(log.read_bytes().count(b".") for log in self._logs)

    def questions(self, number: int, history: Iterable[HistoryEvent]) -> Questions:
        """Due by a timer, asked when the poll began."""
        events = list(history)
        asked = [_time(event) for event in events if event.HasField("activity_task_started_event_attributes")]
        return Questions([due for due in map(_due, events) if due], asked)


def _due(event: HistoryEvent) -> datetime | None:
    if not event.HasField("timer_started_event_attributes"):
        return None
    return _time(event) + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)
