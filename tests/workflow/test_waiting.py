"""Hours of waiting, in the time-skipping server, with the real activities and real HTTP."""

from datetime import datetime, timedelta

from temporalio.client import Client

from tests.support.provider import Provider, Task, bad_gateway
from tests.support.runs import Handle, Runs, outcome, progress, request
from workflows.policies import EVENTS_PER_RUN

QUEUE = "hours"


async def test_a_ten_hour_render_is_asked_about_at_a_sane_rate_and_no_history_grows_long(
    client: Client, provider: Provider, word: str
) -> None:
    task = provider.tasks[word] = Task(word, {"model": "sd2_manxue_4k", "prompt": word, "duration": 4, "ratio": "16:9"})
    asked = 780
    provider.on_query[word] = lambda task: provider.status(task, "processing" if task.queries < asked else "completed")
    given = {"request": {**request(word), "model": "sd2_manxue_4k"}, "task_id": word}
    handle = await Runs(client, QUEUE).start(given)
    result = await outcome(handle, 120)  # no query meanwhile: beside one, this server can stop skipping time
    assert result["polls"] == asked
    assert task.queries == asked + 1  # the download asks for the URL itself
    entered = {phase: datetime.fromisoformat(moment) for phase, moment in result["timeline"].items()}
    hours = (entered["downloading"] - entered["rendering"]) / timedelta(hours=1)
    assert 9.6 < hours < 10.1
    lengths = await history_lengths(client, handle)
    assert sum(lengths) < asked
    assert max(lengths) < EVENTS_PER_RUN + 50
    assert (await progress(handle))["polls"] == asked


async def test_a_server_that_lists_no_runs_holds_nothing_up_and_teaches_nothing(
    client: Client, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    handle = await Runs(client, QUEUE).start(request=request(word), task_id=word, poll={})
    await outcome(handle)
    estimate = (await progress(handle))["estimate"]
    assert (estimate["based_on"], estimate["level"], estimate["since"]) == (0, "default", None)
    assert "render" not in await (await handle.describe()).memo()


async def history_lengths(client: Client, handle: Handle) -> list[int]:
    """Events of each run of the chain."""
    lengths, run_id = [], handle.first_execution_run_id
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        lengths.append(len(history.events))
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return lengths


async def test_an_outage_of_hours_never_fails_a_paid_render(client: Client, provider: Provider, word: str) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    provider.on_query[word] = lambda task: bad_gateway() if 2 < task.queries < 300 else None
    result = await outcome(await Runs(client, QUEUE).start(request=request(word), task_id=word, poll={}), 120)
    assert result["polls"] > 90


async def test_a_status_that_nobody_documents_is_neither_success_nor_failure_for_a_bounded_time(
    client: Client, provider: Provider, word: str
) -> None:
    provider.tasks[word] = Task(word, {"model": "sd2_manxue_720p", "prompt": word, "duration": 4, "ratio": "16:9"})
    provider.on_query[word] = lambda task: provider.status(task, "pondering")
    failure = await Runs(client, QUEUE).failure(request=request(word), task_id=word, poll={})
    assert failure.type == "ResultIncomplete"
    assert "'pondering'" in failure.message
    assert failure.details[0]["task_id"] == word


async def test_completed_without_a_url_is_asked_about_again_and_then_reported(
    client: Client, provider: Provider, word: str
) -> None:
    for name, patience in ((f"{word}a", 3), (f"{word}b", 10**6)):
        provider.tasks[name] = Task(name, {"model": "sd2_manxue_720p", "prompt": name, "duration": 4, "ratio": "16:9"})
        provider.on_query[name] = lambda task, patience=patience: (  # type: ignore[misc]
            provider.status(task, "completed", video_url="") if task.queries < patience else None
        )
    runs = Runs(client, QUEUE)
    assert (await runs.result(request=request(f"{word}a"), task_id=f"{word}a", poll={}))["polls"] == 3
    assert (await runs.failure(request=request(f"{word}b"), task_id=f"{word}b", poll={})).type == "ResultIncomplete"


async def test_a_task_id_that_the_provider_does_not_know_is_bad_input(
    client: Client, provider: Provider, word: str
) -> None:
    failure = await Runs(client, QUEUE).failure(request=request(word), task_id="no-such-task", poll={})
    assert failure.type == "InvalidRequest"
    assert "no-such-task" in failure.message
