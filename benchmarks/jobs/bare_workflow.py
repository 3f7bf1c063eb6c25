"""A workflow that issues the commands of an ordinary `GenerateVideo`, in its order, and decides nothing."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

_PHASE, _MODEL, _TASK_ID = (SearchAttributeKey.for_keyword(f"Manxue{name}") for name in ("Phase", "Model", "TaskId"))
_SOON = timedelta(minutes=3)


@workflow.defn(name="Bare")
class Bare:
    """Six activities, of which three are polls, three timers, six upserts of search attributes, one of the memo."""

    @workflow.run
    async def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Takes a request, gives what the last step gave."""
        workflow.upsert_search_attributes([_PHASE.value_set("validating")])
        await workflow.execute_activity("validate", request, start_to_close_timeout=_SOON)
        workflow.upsert_search_attributes([_PHASE.value_set("submitting"), _MODEL.value_set(request["model"])])
        task_id = await workflow.execute_activity("submit", request, start_to_close_timeout=_SOON, result_type=str)
        workflow.upsert_search_attributes([_PHASE.value_set("queued"), _TASK_ID.value_set(task_id)])
        for number in range(3):
            await workflow.sleep(1.0)
            await workflow.execute_activity("poll", task_id, start_to_close_timeout=_SOON)
            if number == 1:
                workflow.upsert_search_attributes([_PHASE.value_set("rendering")])
        workflow.upsert_search_attributes([_PHASE.value_set("downloading")])
        size: int = await workflow.execute_activity("download", task_id, start_to_close_timeout=_SOON, result_type=int)
        workflow.upsert_search_attributes([_PHASE.value_set("completed")])
        workflow.upsert_memo({"bytes": size})
        return {"task_id": task_id, "bytes": size}
