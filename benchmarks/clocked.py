"""Activities of a provider whose renders last exactly so long, by a clock that can skip."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal
from unittest.mock import patch

from temporalio import activity
from temporalio.testing import WorkflowEnvironment

import activities.poll
from activities.download import Download, Downloaded, DownloadInput
from activities.submit import Submit, SubmitInput, Submitted
from activities.validate import Validate, Validated, ValidateInput
from benchmarks.renders import Spread
from manxue.answers import Completed, Processing, Queued, TaskStatus
from manxue.client import ManxueClient
from manxue.render_times import Observed, RenderTimes, learn
from manxue.request import check_request
from media.verify import VideoFacts

_SEED = 20240607
_TEACHERS = 100


@dataclass(frozen=True)
class Render:
    """How long one takes, in seconds, and with which model."""

    name: str
    seconds: int
    queued: int
    model: str

    def times(self) -> RenderTimes:
        """What renders like it teach: a spread of a quarter around it, each known to half a minute."""
        spread = Spread(self.name, self.model, (self.queued, 0.8), (self.seconds - self.queued, 0.25))
        random = Random(_SEED)
        drawn = [spread.draw(random) for _ in range(_TEACHERS)]
        return learn([_observed(one.out_of_queue, one.finished) for one in drawn], 4, "text")


RENDERS = (
    Render("1 min", 60, 8, "sd2_manxue_fast_720p"),
    Render("10 min", 600, 40, "sd2_manxue_2k"),
    Render("1 h", 3600, 240, "sd2_manxue_4k"),
    Render("10 h", 36_000, 3600, "sd2_manxue_4k"),
)


def _observed(out: float, finished: float) -> Observed:
    return Observed(
        duration=4,
        mode="text",
        left_queue=(max(out - 15, 0), out + 15),
        finished=(max(finished - 15, 0), finished + 15),
    )


_submitted: dict[str, datetime] = {}
_FACTS = VideoFacts(container="mp4", codec="h264", width=1280, height=720, fps=24, duration=4, has_audio=False)


@contextmanager
def clocked(env: WorkflowEnvironment) -> Iterator[None]:
    """Workers that are built within have these activities in place of their own. Tasks are named by their render.

    `poll` is theirs, and so is when it asks again; the provider is replaced, and the clock by which it waits.
    """

    async def answer(_: ManxueClient, task_id: str) -> TaskStatus:
        return _answer(task_id, await env.get_current_time())

    with ExitStack() as replaced:
        for owner in (Validate, Submit, Download):
            step = owner.__name__.lower()
            replaced.enter_context(patch.object(owner, step, getattr(_Instead, step)))
        replaced.enter_context(patch.object(ManxueClient, "query", answer))
        replaced.enter_context(patch.object(activities.poll, "sleep", env.sleep))
        yield


class _Instead:
    """Of the activities, by their names."""

    @activity.defn(name="validate")
    async def validate(self, given: ValidateInput) -> Validated:
        """With what was learned, where the prompt says so."""
        name, how = given.request["prompt"].split(", ")
        render = next(one for one in RENDERS if one.name == name)
        checked = check_request(given.request).request
        assert checked
        return Validated(
            request=checked, render_times=render.times() if how == "learned" else None, polls_may_wait=True
        )

    @activity.defn(name="submit")
    async def submit(self, given: SubmitInput) -> Submitted:
        """Accepted at once."""
        return Submitted(task_id=_begun(str(given.request.body()["prompt"])))

    @activity.defn(name="download")
    async def download(self, given: DownloadInput) -> Downloaded:
        """A file of the usual size."""
        uri = f"s3://videos/2026/{given.task_id}.mp4"
        return Downloaded(uri=uri, bytes=8_000_000, sha256="0" * 64, facts=_FACTS, manifest_uri=f"{uri}.json")


def _answer(task_id: str, now: datetime) -> TaskStatus:
    match _status(task_id, now):
        case "queued":
            return Queued()
        case "processing":
            return Processing(percent=50.0)
        case "completed":
            return Completed(video_url="https://cdn.example.com/video.mp4", created=1790000000)


@activity.defn(name="create")
async def create(body: dict[str, Any]) -> str:
    """As `submit`."""
    return _begun(str(body["prompt"]))


@activity.defn(name="query")
async def query(task_id: str) -> dict[str, Any]:
    """The provider's answer as it comes, but for the URL."""
    known = {"id": task_id, "object": "video", "created": 1790000000, "model": "sd2_manxue_4k"}
    return {**known, "status": _status(task_id, activity.info().started_time), "progress": 50, "error": None}


@activity.defn(name="fetch")
async def fetch(task_id: str) -> dict[str, Any]:
    """As `download`."""
    return {"uri": f"s3://videos/2026/{task_id}.mp4", "bytes": 8_000_000, "sha256": "0" * 64}


def _begun(prompt: str) -> str:
    task_id = f"video_{len(_submitted):08}_{prompt.split(', ')[0].replace(' ', '_')}"
    _submitted[task_id] = activity.info().started_time
    return task_id


def _status(task_id: str, now: datetime) -> Literal["queued", "processing", "completed"]:
    render = next(one for one in RENDERS if task_id.endswith(f"_{one.name.replace(' ', '_')}"))
    gone = (now - _submitted[task_id]).total_seconds()
    return "completed" if gone >= render.seconds else "processing" if gone >= render.queued else "queued"
