"""What a list of finished runs teaches when not all of it can be read."""

from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Memo, SearchAttributes
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsResponse
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import DataConverter, encode_search_attributes
from temporalio.testing import ActivityEnvironment

from activities.finished_runs import RENDER_MEMO, FinishedRuns
from encryption import data_converter
from manxue.checked_request import CheckedRequest
from manxue.render_times import Observed, RenderTimes
from manxue.vocabulary import Mode
from settings import EncryptionSettings
from tests.support.keys import new_key

KEY, RETIRED = new_key("2026-11"), new_key("2026-05")
REQUEST = CheckedRequest(model="sd2_manxue_720p", prompt="a", duration=5, ratio="16:9", mode=Mode.TEXT)
LESSON = Observed(duration=5, mode="text", left_queue=(10, 20), finished=(90, 100))

Learn = Callable[..., Awaitable[RenderTimes]]


def converter(keys: str) -> DataConverter:
    """With the keys as an operator sets them."""
    return data_converter(EncryptionSettings.model_validate({"encryption_keys": keys}).encryption_keys)


async def listed(task_id: str, key: str, provider: str) -> WorkflowExecutionInfo:
    """A finished run as the server lists it, whose memo was written with the key."""
    [memo] = await converter(key).encode([{**LESSON.model_dump(), "provider": provider}])
    attributes = SearchAttributes()
    task = SearchAttributePair(SearchAttributeKey.for_keyword("ManxueTaskId"), task_id)
    encode_search_attributes(TypedSearchAttributes([task]), attributes)
    return WorkflowExecutionInfo(memo=Memo(fields={RENDER_MEMO: memo}), search_attributes=attributes)


@pytest.fixture
async def learn(monkeypatch: pytest.MonkeyPatch) -> Learn:
    """What a worker that has only `KEY` learns where the server lists runs that were written with such keys."""
    client = await Client.connect("server.invalid:7233", lazy=True, data_converter=converter(KEY))

    async def learned(*keys: str) -> RenderTimes:
        provider = (await learned()).provider if keys else ""
        runs = [await listed(f"task-{number}", key, provider) for number, key in enumerate(keys)]

        async def answer(*_: object, **__: object) -> ListWorkflowExecutionsResponse:
            return ListWorkflowExecutionsResponse(executions=runs)

        monkeypatch.setattr(client.workflow_service, "list_workflow_executions", answer)
        return await ActivityEnvironment(client).run(FinishedRuns("https://provider.invalid").render_times, REQUEST)

    return learned


async def test_runs_written_with_a_retired_key_teach_nothing_and_keep_nothing_from_the_others(learn: Learn) -> None:
    with capture_logs() as logged:
        assert (await learn(KEY, RETIRED, KEY, RETIRED)).runs == 2
    assert not logged


async def test_a_worker_that_can_read_no_run_says_so_and_goes_on(learn: Learn) -> None:
    with capture_logs() as logged:
        assert (await learn(RETIRED, RETIRED)).runs == 0
    assert [line["event"] for line in logged] == ["finished_runs.unknown"]
    assert "2026-05" in logged[0]["error"]
