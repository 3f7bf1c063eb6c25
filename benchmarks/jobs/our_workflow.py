"""`worker.py` with the steps of `bare.py` in place of its activities: what our orchestration alone costs."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity

import worker
from activities.download import Download, Downloaded, DownloadInput
from activities.poll import Poll
from activities.poll_attempt import Further, PollAnswer
from activities.submit import Submit, SubmitInput, Submitted
from activities.validate import Validate, Validated, ValidateInput
from benchmarks.jobs.steps import FOLDER, Steps
from manxue.checked_request import CheckedRequest
from manxue.request import check_request
from media.verify import VideoFacts

_FACTS = VideoFacts(container="mp4", codec="h264", width=1280, height=720, fps=24, duration=4, has_audio=False)
_checked: list[CheckedRequest] = []
_steps: list[Steps] = []


def _http() -> Steps:
    if not _steps:
        _steps.append(Steps())  # within the event loop
    return _steps[0]


class Instead:
    """Of the activities, by their names."""

    @activity.defn(name="validate")
    async def validate(self, given: ValidateInput) -> Validated:
        """Nothing, after the first request."""
        if not _checked and (request := check_request(given.request).request):
            _checked.append(request)
        return Validated(request=_checked[0], polls_may_wait=True)

    @activity.defn(name="submit")
    async def submit(self, given: SubmitInput) -> Submitted:
        """One POST."""
        return Submitted(task_id=await _http().create(given.request.body()))

    @activity.defn(name="poll")
    async def poll(self, task_id: str, further: Further | None = None) -> PollAnswer:
        """One GET, which always says something new, when it is due."""
        if further and further.first:
            await asyncio.sleep((further.first - datetime.now(UTC)).total_seconds())
        status = (await _http().query(task_id))["status"]
        return PollAnswer(status=status, word=status)

    @activity.defn(name="download")
    async def download(self, given: DownloadInput) -> Downloaded:
        """Two GETs, and a file."""
        size, uri = await _http().fetch(given.task_id), Path(FOLDER, given.task_id).as_uri()
        return Downloaded(uri=uri, bytes=size, sha256="0" * 64, facts=_FACTS, manifest_uri=f"{uri}.json")


if __name__ == "__main__":
    for owner in (Validate, Submit, Poll, Download):
        step = owner.__name__.lower()
        setattr(owner, step, getattr(Instead, step))
    sys.exit(worker.main())
