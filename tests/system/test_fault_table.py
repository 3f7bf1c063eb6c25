"""The fault table, row by row: every way in which the provider can go wrong has one right outcome, and is paid once.

docs/reliability.md shows these rows to people.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowFailureError

from emulator.faults import ACCEPT, FAULTS
from tests.support.processes import API_KEY, EmulatorProcess, free_port, worker_process
from tests.support.runs import FAST, Handle, Runs, outcome, path_of, until

QUEUE = "fault-table"
MODEL = "sd2_manxue_fast_720p"


@pytest.fixture(scope="module")
def emulator(folder: Path) -> Iterator[EmulatorProcess]:
    """The emulator, renders taking a tenth of a second."""
    emulator = EmulatorProcess(folder, "--speed", "500")
    yield emulator
    emulator.kill()


@pytest.fixture
def runs(client: Client, emulator: EmulatorProcess, folder: Path, worker_env: dict[str, str]) -> Iterator[Runs]:
    """Runs on a worker whose provider is the emulator."""
    env = {
        **worker_env,
        "MANXUE_TASK_QUEUE": QUEUE,
        "MANXUE_BASE_URL": emulator.url,
        "MANXUE_CREATE_TIMEOUT": "5",
    }
    with worker_process(folder, env):
        yield Runs(client, QUEUE)


async def ledger(emulator: EmulatorProcess) -> dict[str, Any]:
    """What the emulator really did."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        book: dict[str, Any] = (await http.get(f"{emulator.url}/_emulator/ledger")).json()
        return book


async def creates(emulator: EmulatorProcess, prompt: str) -> list[dict[str, Any]]:
    """The create calls with that prompt."""
    return [create for create in (await ledger(emulator))["creates"] if create["body"]["prompt"] == prompt]


async def settled(handle: Handle, emulator: EmulatorProcess, prompt: str) -> tuple[str, dict[str, Any] | None]:
    """How a run ends, held ones settled as an operator does who looks into the provider's account."""
    ended = ("completed", "failed", "canceled")
    now = await until(handle, lambda now: now["phase"] in (*ended, "needs_decision"))
    word = ""
    if now["phase"] == "needs_decision":
        accepted = [create["task_id"] for create in await creates(emulator, prompt) if create["accepted"]]
        word = "held, "
        decision = {"action": "adopt", "task_id": accepted[0]} if accepted else {"action": "resubmit"}
        await handle.execute_update("resolve_submission", decision)
    try:
        result = await outcome(handle)
    except WorkflowFailureError as error:
        return word + str(getattr(error.cause, "type", error.cause)), None
    return word + "completed", result


CREATE_OUTCOMES = {
    # fault: outcome, create calls, accepted ones
    "429": ("completed", 2, 1),
    "429-retry-after": ("completed", 2, 1),
    "503-retry-after": ("completed", 2, 1),
    "401": ("AuthenticationFailed", 1, 0),
    "403": ("AuthenticationFailed", 1, 0),
    "402": ("InsufficientBalance", 1, 0),
    "404": ("SubmissionRefused", 1, 0),
    "code-1001": ("SubmissionRefused", 1, 0),
    "status-failed": ("SubmissionRefused", 1, 0),
    "id-null": ("SubmissionRefused", 1, 0),
    **dict.fromkeys(
        ("500", "502-html", "503", "200-html", "garbage", "drop", "hang"), ("held, completed", 2, 1)
    ),  # nothing was accepted; resubmitted by decision
    **dict.fromkeys(
        [fault for fault in FAULTS["create"] if fault.startswith(ACCEPT)], ("held, completed", 1, 1)
    ),  # adopted by decision
}


async def test_every_fault_of_a_create_call_has_its_one_outcome_and_at_most_one_render(
    runs: Runs, emulator: EmulatorProcess, word: str
) -> None:
    assert CREATE_OUTCOMES.keys() == set(FAULTS["create"])

    async def row(fault: str) -> tuple[str, int, int]:
        prompt = f"{word} [create: {fault}]"
        ended, _ = await settled(await started(runs, prompt), emulator, prompt)
        calls = await creates(emulator, prompt)
        return ended, len(calls), sum(create["accepted"] for create in calls)

    assert await table(row, CREATE_OUTCOMES) == CREATE_OUTCOMES


QUERY_FAULTS = dict.fromkeys(FAULTS["query"], "completed") | {
    "status-failed": "RenderFailed",  # for a query this is the documented answer of a failed render
}


async def test_no_fault_of_a_query_ends_a_paid_render(runs: Runs, emulator: EmulatorProcess, word: str) -> None:
    async def row(fault: str) -> str:
        prompt = f"{word} [query: {fault}*2] [url: missing]"
        ended, _ = await settled(await started(runs, prompt), emulator, prompt)
        assert len(await creates(emulator, prompt)) == 1
        return ended

    assert await table(row, QUERY_FAULTS) == QUERY_FAULTS


async def test_every_fault_of_a_file_ends_in_the_true_file(runs: Runs, emulator: EmulatorProcess, word: str) -> None:
    """Each after a download that broke off in the middle, so that the next one would go on there."""

    async def row(fault: str) -> bool:
        prompt = f"{word} [file: cut, {fault}]"
        ended, result = await settled(await started(runs, prompt), emulator, prompt)
        assert result, ended
        content = path_of(result).read_bytes()
        return content == await true_file(emulator, result["task_id"])

    expected = dict.fromkeys(FAULTS["file"], True)
    assert await table(row, expected) == expected


ASSET_OUTCOMES = {
    "refused": ("AssetRefused", 0),
    "omitted": ("completed", 1),
    "failed-lookup": ("completed", 1),
    "slow": ("completed", 1),
    "expired": ("completed", 1),
}


async def test_every_fault_of_an_asset_has_its_one_outcome(runs: Runs, emulator: EmulatorProcess, word: str) -> None:
    assert ASSET_OUTCOMES.keys() == set(FAULTS["asset"])

    async def row(fault: str) -> tuple[str, int]:
        prompt = f"{word} {fault}"
        images = [f"{emulator.url}/samples/{word}/fault-{fault}/portrait.png", f"{emulator.url}/samples/square.png"]
        ended, _ = await settled(await started(runs, prompt, referenceImages=images), emulator, prompt)
        return ended, len(await creates(emulator, prompt))

    assert await table(row, ASSET_OUTCOMES) == ASSET_OUTCOMES


async def started(runs: Runs, prompt: str, **fields: Any) -> Handle:
    """A run whose prompt is the plan."""
    given = {"model": MODEL, "prompt": prompt, "duration": 4, **fields}
    return await runs.start(request=given, poll=FAST, preview=False)


async def table(row: Any, rows: dict[str, Any]) -> dict[str, Any]:
    """All rows at once: what came out of each."""
    found = await asyncio.gather(*(row(name) for name in rows))
    return dict(zip(rows, found, strict=True))


async def true_file(emulator: EmulatorProcess, task_id: str) -> bytes:
    """The task's file, fetched without a worker."""
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60) as http:
        url = (await http.get(f"{emulator.url}/v1/result/{task_id}")).json()["video_url"]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        return (await http.get(url)).content


async def test_a_provider_that_cannot_be_reached_was_sent_nothing_and_is_asked_again(
    client: Client, folder: Path, worker_env: dict[str, str], word: str
) -> None:
    port = free_port()
    env = {**worker_env, "MANXUE_TASK_QUEUE": word, "MANXUE_BASE_URL": f"http://127.0.0.1:{port}"}
    with worker_process(folder, env):
        handle = await started(Runs(client, word), word)
        waiting = await until(handle, lambda now: "could not be reached" in now["message"])
        assert waiting["phase"] == "submitting"
        emulator = EmulatorProcess(folder, "--speed", "500", "--port", str(port))
        assert (await outcome(handle))["task_id"]
        assert [create["accepted"] for create in await creates(emulator, word)] == [True]
        emulator.kill()
