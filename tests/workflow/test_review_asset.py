"""Weeks of remembering a review, in the time-skipping server, with the real activities and real HTTP."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment

from tests.support.processes import API_KEY
from tests.support.provider import Provider
from tests.support.runs import Runs, request, until_phase
from workflows import policies

Review = dict[str, Any]


@pytest.fixture
def state(provider: Provider) -> Iterator[dict[str, str]]:
    """What the provider says of all assets."""
    state = {"all": "Active"}
    provider.asset_states = lambda asset_id: state["all"]
    yield state
    provider.asset_states = lambda asset_id: "Active"


@pytest.fixture
def ask(client: Client, word: str) -> Callable[[], Awaitable[Review]]:
    """Asks for the review of the test's own image, as every run does."""

    async def ask() -> Review:
        reference = f"https://media.example.com/{word}.png"
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "ReviewAsset",
            {"kind": "image", "reference": reference},
            id=f"asset-{word}",
            task_queue="hours",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        review: Review = await client.execute_update_with_start_workflow(
            "review", {"reference": reference}, start_workflow_operation=start
        )
        return review

    return ask


async def test_an_asset_that_has_lapsed_is_submitted_again_once(
    env: WorkflowEnvironment, ask: Callable[[], Awaitable[Review]], provider: Provider, state: dict[str, str]
) -> None:
    before = len(provider.uploads)
    assert (await ask())["state"] == "reviewing"
    await env.sleep(timedelta(minutes=1))
    assert (await ask())["state"] == "active"
    await env.sleep(timedelta(days=20))
    assert (await ask())["state"] == "active"
    assert len(provider.uploads) == before + 1
    state["all"] = "EXPIRED"
    await env.sleep(timedelta(hours=1))
    assert [(await ask())["state"] for _ in range(3)] == ["reviewing"] * 3
    state["all"] = "Active"
    await env.sleep(timedelta(minutes=1))
    assert (await ask())["state"] == "active"
    assert len(provider.uploads) == before + 2


async def test_a_verdict_is_forgotten_a_month_after_somebody_last_asked(
    env: WorkflowEnvironment, ask: Callable[[], Awaitable[Review]], state: dict[str, str]
) -> None:
    await ask()
    for _ in range(3):
        await env.sleep(timedelta(days=29))
        assert (await ask())["state"] == "active"
    await env.sleep(timedelta(days=31))
    assert (await ask())["state"] == "reviewing"


async def test_the_outage_of_a_look_up_does_not_hold_up_a_run(
    env: WorkflowEnvironment, ask: Callable[[], Awaitable[Review]], provider: Provider, state: dict[str, str]
) -> None:
    await ask()
    await env.sleep(timedelta(minutes=1))

    def broken(asset_id: str) -> str:
        raise RuntimeError("the provider is away")

    provider.asset_states = broken
    await env.sleep(timedelta(days=1))
    assert (await ask())["state"] == "active"


async def test_a_review_that_was_terminated_from_outside_is_asked_for_again(
    env: WorkflowEnvironment, client: Client, provider: Provider, state: dict[str, str], word: str
) -> None:
    url = f"https://media.example.com/{word}.png"
    account, identity = (sha256(text.encode()).hexdigest() for text in (f"{provider.url}\0{API_KEY}", url))
    state["all"], uploads = "Processing", len(provider.uploads)
    handle = await Runs(client, "hours").start(request=request(word, first_image=url))
    await until_phase(handle, "reviewing_assets")
    await env.sleep(timedelta(seconds=30))
    await client.get_workflow_handle(f"asset-{account[:12]}-url-{identity}").terminate()
    await env.sleep(timedelta(minutes=11))
    assert len(provider.uploads) == uploads + 2
    await handle.cancel()


async def test_what_lists_show_of_a_review_survives_continue_as_new(
    env: WorkflowEnvironment,
    client: Client,
    ask: Callable[[], Awaitable[Review]],
    word: str,
    state: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policies, "EVENTS_PER_RUN", 30)
    await ask()
    await env.sleep(timedelta(minutes=1))
    first = (await client.get_workflow_handle(f"asset-{word}").describe()).run_id
    for _ in range(15):
        review = await ask()
    description = await client.get_workflow_handle(f"asset-{word}").describe()
    assert description.run_id != first
    memo = await description.memo()
    assert (memo["state"], memo["asset_id"]) == ("active", review["asset_id"])
    assert memo["references"] == [f"https://media.example.com/{word}.png"]
