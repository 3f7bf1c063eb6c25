"""`manxue watch --json` as a program reads it: a line for each change, when it happens."""

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.command_line import CommandLine, Running
from tests.support.contract import said
from tests.support.processes import DevServer
from tests.support.provider import Provider
from tests.support.runs import FAST, Runs, request

Line = dict[str, Any]


class Lines:
    """The lines that a command has put so far."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.all: list[Line] = []

    async def until(self, condition: Callable[[Line], bool]) -> Line:
        """Read on to the first line that satisfies the condition, here or earlier."""
        while not (found := [line for line in self.all if condition(line)]):
            text = await self._running.puts()
            assert text, "the command has ended"
            self.all.append(said("watch-line", json.loads(text)))
        return found[0]


def content(line: Line) -> Line:
    """What is news in a line."""
    progress = {name: value for name, value in line.get("progress", {}).items() if name != "eta"}
    return {**line, "at": None, "progress": progress}


async def test_each_change_of_several_runs_is_a_line_at_once_and_nothing_is_told_twice(
    runs: Runs, server: DevServer, provider: Provider, tmp_path: Path, word: str
) -> None:
    cli = CommandLine(tmp_path, {"TEMPORAL_ADDRESS": server.address})
    polled, refused, stuck = (f"{name}-{word}" for name in ("polled", "refused", "stuck"))
    provider.on_query[refused] = lambda task: provider.status(task, "failed", error={"message": "content policy"})
    provider.hold_file[stuck] = 50_000
    for run_id in (polled, refused, stuck):
        rhythm = {"first": 600} if run_id == polled else FAST
        await runs.start(workflow_id=run_id, request=request(run_id), poll=rhythm)

    async with cli.started("watch", polled, refused, stuck, "--json") as watching:
        lines = Lines(watching)
        waits = await lines.until(lambda line: line["id"] == polled and line.get("progress", {}).get("next_poll_at"))
        failed = await lines.until(lambda line: line["event"] == "failure")
        held = await lines.until(lambda line: line["event"] == "download" and line["download"]["length"])
        await runs.client.get_workflow_handle(stuck).cancel()
        canceled = await lines.until(lambda line: line["event"] == "failure" and line["id"] == stuck)
        # Nothing has changed meanwhile in the run that waits for its first poll, but that it may be overdue by now.
        last = deepcopy([line for line in lines.all if line["id"] == polled][-1])
        last["progress"]["estimate"]["overdue"] = waits["progress"]["estimate"]["overdue"]
        assert content(last) == content(waits)
        for _ in range(3):
            await cli.run("poll-now", polled)
        delivered = await lines.until(lambda line: line["event"] == "result")
        told = await watching.told()

    assert (failed["id"], failed["failure"]["type"]) == (refused, "RenderFailed")
    assert failed["failure"]["task_id"] in provider.tasks
    assert held["id"] == stuck
    task_id = next(task.id for task in provider.tasks.values() if task.body["prompt"] == stuck)
    assert (canceled["failure"]["type"], canceled["failure"]["task_id"]) == ("Canceled", task_id)
    assert Path(delivered["result"]["video"]["uri"].removeprefix("file://")).exists()
    assert told.code == 1
    assert "2 of 3 runs ended without a video" in told.err
    everything = [json.loads(line) for line in told.out.splitlines()]
    assert everything == lines.all
    for run_id in (polled, refused, stuck):
        own = [line for line in everything if line["id"] == run_id]
        assert [line["event"] in ("result", "failure") for line in own] == [*[False] * (len(own) - 1), True]
        for before, after in pairwise([line for line in own if line["event"] == "progress"]):
            assert content(before) != content(after)
