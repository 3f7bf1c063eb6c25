"""What most would write first: create, ask every 30 s, download."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

_SOON = timedelta(minutes=3)


@workflow.defn(name="Naive")
class Naive:
    """Nothing is checked beforehand, nothing is shown, and the history grows as long as it must."""

    @workflow.run
    async def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Takes a request, gives what the download gave."""
        task_id = await workflow.execute_activity(
            "create", request, start_to_close_timeout=_SOON, result_type=str, summary="create the video"
        )
        status = "queued"
        while status != "completed":
            await workflow.sleep(30.0)
            answer: dict[str, Any] = await workflow.execute_activity(
                "query", task_id, start_to_close_timeout=_SOON, summary=f"poll task {task_id}"
            )
            status = answer["status"]
        downloaded: dict[str, Any] = await workflow.execute_activity("fetch", task_id, start_to_close_timeout=_SOON)
        return downloaded
