"""From a finished task to a verified file at its place, with pictures and a manifest beside it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.attempts import Attempts, Delivered, earlier_attempts
from activities.errors import NO_ANSWER, final, from_provider, passing
from activities.file_names import unfinished_name, video_names
from activities.heartbeat import heartbeating
from activities.manifest import manifest
from activities.metrics import bytes_downloaded
from activities.sidecars import Preview, deliver_manifest, deliver_pictures
from activities.unfinished import unfinished
from manxue.answers import Completed, Failed
from manxue.checked_request import CheckedRequest
from manxue.client import ManxueClient
from manxue.errors import ManxueError
from manxue.failure import FailureDetails, FailureType
from manxue.problem import Problem
from manxue.vocabulary import Mode, resolution
from media.confinement import NotConfined
from media.download import URLExpired, download
from media.fetch import Fetcher
from media.guard import FetchFailed, FetchRefused
from media.output import open_output
from media.partial_file import PartialFile, PartialFileBusy
from media.storage import Output, OutputUnavailable, what_is_wrong
from media.verify import Expected, Pictures, Verified, Verifier, VideoFacts, VideoInvalid

_SAME_INVALID, _MOST_INVALID = 3, 6
"""How often a file that is not the video is fetched: the very same one, and any."""
_PROGRESS, _SOON = 256 * 1024, timedelta(seconds=2)
"""Bytes that a broken attempt must bring for the next one to come soon, however many went before it."""
_SHOWN_EVERY = 2.0  # seconds between two beats: who watches a download reads them


class DownloadInput(BaseModel):
    """Which task's file, and where it goes."""

    task_id: str
    request: CheckedRequest
    output: str | None = None
    name: str | None = None
    preview: bool = True
    """Whether a poster and a contact sheet are made."""
    story: dict[str, Any] = {}
    """What the manifest tells besides: timeline, polls, assets, warnings."""


class Downloaded(BaseModel):
    """A file at its place."""

    uri: str
    bytes: int
    sha256: str
    facts: VideoFacts
    preview: Preview | None = None
    manifest_uri: str
    renamed: bool = False
    """Whether another file had the wanted name already, so that the task id was added to it."""
    warnings: list[Problem] = []
    """Why there is no preview, where one was wanted."""


class _NoFile(Exception):
    """The provider has taken back that the task is completed, or its URL."""


class Download:
    """Fetches through the worker's guarded fetcher, and asks the provider through its one client."""

    def __init__(self, manxue: ManxueClient, fetcher: Fetcher, default_output: str) -> None:
        self._manxue = manxue
        self._fetcher = fetcher
        self._verifier = Verifier()
        self._default_output = default_output

    @activity.defn(name="download")
    async def download(self, given: DownloadInput) -> Downloaded:
        """Fails with DownloadFailed, VideoInvalid or OutputUnavailable; most are tried again where they stopped."""
        attempts = earlier_attempts()
        before = attempts.bytes
        async with heartbeating(attempts.model_dump, _SHOWN_EVERY):
            try:
                return await self._deliver(given, attempts)
            except (FetchFailed, PartialFileBusy, NotConfined) as error:
                soon = _SOON if attempts.bytes - before >= _PROGRESS else None
                raise passing(FailureType.DOWNLOAD_FAILED, str(error), soon) from None
            except (OutputUnavailable, OSError) as error:
                raise passing(FailureType.OUTPUT_UNAVAILABLE, what_is_wrong(error)) from None

    async def _deliver(self, given: DownloadInput, attempts: Attempts) -> Downloaded:
        output = open_output(given.output or self._default_output)
        delivered = attempts.delivered
        if delivered and await output.holds(delivered.name, delivered.bytes, delivered.sha256):
            wanted = given.preview and not delivered.preview
            pictures = await self._drawn_again(output.local(delivered.name)) if wanted else None
        else:
            delivered, pictures = await self._bring(given, output, attempts)
        if not delivered.preview:
            delivered.preview, delivered.warnings = await deliver_pictures(output, delivered.name, pictures)
        video = {"uri": output.uri(delivered.name), "bytes": delivered.bytes, "sha256": delivered.sha256}
        text = _manifest(given, delivered, {**video, **delivered.facts.model_dump()})
        return Downloaded(
            facts=delivered.facts,
            preview=delivered.preview,
            manifest_uri=output.uri(await deliver_manifest(output, delivered.name, text)),
            renamed=delivered.name != video_names(given.name, given.task_id)[0],
            warnings=delivered.warnings,
            **video,
        )

    async def _bring(
        self, given: DownloadInput, output: Output, attempts: Attempts
    ) -> tuple[Delivered, Pictures | str | None]:
        """From the provider to its place."""
        names = video_names(given.name, given.task_id)
        path = output.scratch / unfinished_name(given.name, given.task_id)
        async with unfinished(path) as part:
            done = await self._fetched(given, part, attempts)
            sha256 = await asyncio.to_thread(part.sync)
            verified = await self._checked(path, part, sha256, given, done, attempts)
            name = await output.deliver(path, sha256, names)
            delivered = attempts.delivered = Delivered(
                name=name, bytes=part.size, sha256=sha256, facts=verified.facts, provider=_said(done)
            )
            await asyncio.to_thread(part.forget_notes)
        return delivered, verified.pictures

    async def _drawn_again(self, path: Path | None) -> Pictures | str | None:
        """Pictures of a video that an earlier attempt has delivered, or why there are none."""
        if path is None:
            return "the attempt that had the file has ended"
        try:
            return (await self._verifier.verify(path, Expected("", None, ()), pictures=True)).pictures
        except (VideoInvalid, NotConfined, OutputUnavailable, OSError) as error:
            return str(error)

    async def _fetched(self, given: DownloadInput, part: PartialFile, attempts: Attempts) -> Completed:
        """The finished task, when `part` is its file. Refused, it is asked for again for a while."""
        try:
            done = await self._completed(given.task_id)
            await self._fetch(done, part, attempts)
        except (URLExpired, FetchRefused, _NoFile) as error:
            kind = FailureType.RESULT_INCOMPLETE if isinstance(error, _NoFile) else FailureType.DOWNLOAD_FAILED
            if attempts.refused():
                raise final(kind, _kept(str(error), given), _details(given)) from None
            raise passing(kind, str(error)) from None
        return done

    async def _completed(self, task_id: str) -> Completed:
        """The finished task with a fresh URL; the URL never leaves this activity."""
        try:
            status = await self._manxue.query(task_id)
        except ManxueError as error:
            failure = from_provider(error)
            raise passing(NO_ANSWER, failure.message) from None
        if not isinstance(status, Completed) or not status.video_url:
            said = f"now says: {status.reason}" if isinstance(status, Failed) else "gives no URL for it"
            raise _NoFile(f"the task was finished, but the provider {said}")
        return status

    async def _fetch(self, done: Completed, part: PartialFile, attempts: Attempts) -> None:
        async def report() -> None:
            while True:
                attempts.bytes, attempts.length = part.size, part.version.length
                await asyncio.sleep(1.0)

        reporter = asyncio.create_task(report())
        try:
            await download(self._fetcher, str(done.video_url), part)
        finally:
            reporter.cancel()
            bytes_downloaded(part.received)
            attempts.bytes = part.size
            if part.received:
                attempts.accepted()

    async def _checked(
        self, path: Path, part: PartialFile, sha256: str, given: DownloadInput, done: Completed, attempts: Attempts
    ) -> Verified:
        """The file, checked. A bad one may be the way's fault: fetched again, and set aside when that is no use."""
        try:
            return await self._verifier.verify(path, _expected(given.request, done), pictures=given.preview)
        except VideoInvalid as error:
            attempts.invalid.append(sha256)
            if attempts.invalid.count(sha256) < _SAME_INVALID and len(attempts.invalid) < _MOST_INVALID:
                await asyncio.to_thread(part.discard)
                raise passing(FailureType.VIDEO_INVALID, f"{error}; it is downloaded again") from None
            aside = path.with_name(f"{path.name.removeprefix('.').removesuffix('.part')}.rejected")
            await asyncio.to_thread(path.replace, aside)
            await asyncio.to_thread(part.forget_notes)
            message = _kept(f"{error}; the file was set aside as {aside.name}", given)
            raise final(FailureType.VIDEO_INVALID, message, _details(given)) from None


def _said(done: Completed) -> dict[str, Any]:
    return {"created": done.created, "actual_duration": done.actual_duration, "amount": done.amount}


def _manifest(given: DownloadInput, delivered: Delivered, video: dict[str, Any]) -> str:
    info = activity.info()
    known = given.story.get("warnings", [])
    return manifest(
        workflow={"id": info.workflow_id, "run_id": info.workflow_run_id},
        task_id=given.task_id,
        request=given.request,
        provider=delivered.provider,
        video=video,
        preview=delivered.preview.model_dump() if delivered.preview else None,
        story={**given.story, "warnings": [*known, *(one.model_dump(mode="json") for one in delivered.warnings)]},
    )


def _expected(request: CheckedRequest, done: Completed) -> Expected:
    framed = request.mode in (Mode.FIRST_FRAME, Mode.FIRST_LAST_FRAME)
    return Expected(
        resolution=resolution(request.model),
        ratio=None if framed else request.ratio,  # a frame given may decide the shape
        durations=(float(request.duration), *([done.actual_duration] if done.actual_duration else [])),
    )


def _kept(message: str, given: DownloadInput) -> str:
    return f"{message}. The render itself is kept at the provider: start again with `task_id` {given.task_id}"


def _details(given: DownloadInput) -> FailureDetails:
    return FailureDetails(task_id=given.task_id)
