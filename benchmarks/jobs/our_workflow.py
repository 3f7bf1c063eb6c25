"""Our workflow as the worker runs it, with the activities of `bare.py`: what orchestration alone costs."""

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.download import Downloaded, DownloadInput
from activities.poll import PollAnswer
from activities.submit import SubmitInput, Submitted
from activities.validate import Validated, ValidateInput
from benchmarks.jobs.steps import ENGINE, Steps
from manxue.request import check_request
from media.verify import VideoFacts
from worker import WORKFLOWS, workflow_interceptors
from workflows.queues import downloads_of
from workflows.sandbox import runner

QUEUE = "our-workflow"
_FACTS = VideoFacts(container="mp4", codec="h264", width=1280, height=720, fps=24, duration=4, has_audio=False)


class Activities:
    """The steps by the names, and with the arguments and results, that the workflow knows."""

    def __init__(self) -> None:
        self._steps = Steps()
        self._checked: Any = None

    @activity.defn(name="validate")
    async def validate(self, given: ValidateInput) -> Validated:
        """Nothing, after the first request."""
        self._checked = self._checked or check_request(given.request).request
        return Validated(request=self._checked)

    @activity.defn(name="submit")
    async def submit(self, given: SubmitInput) -> Submitted:
        """One POST."""
        return Submitted(task_id=await self._steps.create(given.request.body()))

    @activity.defn(name="poll")
    async def poll(self, task_id: str) -> PollAnswer:
        """One GET."""
        status: Any = (await self._steps.query(task_id))["status"]
        return PollAnswer(status=status, word=status)

    @activity.defn(name="download")
    async def download(self, given: DownloadInput) -> Downloaded:
        """Two GETs, and a file."""
        size = await self._steps.fetch(given.task_id)
        return Downloaded(uri="file:///video.mp4", bytes=size, sha256="0" * 64, facts=_FACTS, manifest_uri="file:///m")


async def _serve() -> None:
    client = await Client.connect(ENGINE, data_converter=pydantic_data_converter)
    steps = Activities()
    activities: list[Callable[..., Any]] = [steps.validate, steps.submit, steps.poll, steps.download]
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=WORKFLOWS,
        activities=activities,
        workflow_runner=runner(False),
        interceptors=workflow_interceptors(ENGINE),
        max_concurrent_activities=300,
    )
    downloads = Worker(client, task_queue=downloads_of(QUEUE), activities=activities)
    async with worker, downloads:
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
