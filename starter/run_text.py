"""One moment of a run in words: what it is at, how long each step took, what comes next. Pure functions of `now`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starter.display import clean, size, span
from starter.download_progress import DownloadProgress
from workflows.contract import Phase, Progress
from workflows.estimate import describe_estimate

_STEPS = {
    Phase.REVIEWING_ASSETS: "review",
    Phase.NEEDS_DECISION: "decision",
    Phase.QUEUED: "queue",
    Phase.RENDERING: "render",
    Phase.DOWNLOADING: "download",
}
"""The phases that can take long; the others last as long as one call."""

_AT_THE_PROVIDER = (Phase.QUEUED, Phase.RENDERING)


@dataclass(frozen=True)
class Moment:
    """What is known of a run now."""

    began: datetime
    phase: str
    """Of the contract, or `starting`, `no worker`."""
    message: str
    progress: Progress | None = None
    """The latest answer, which may be older than what `phase` and `message` say."""
    download: DownloadProgress | None = None
    rate: float | None = None
    """Bytes per second of the download, lately."""
    timeline: Mapping[Phase, datetime] = field(default_factory=dict)
    ended: datetime | None = None
    """When the run was over."""

    def elapsed(self, now: datetime) -> str:
        """From the start of the run to its end, or to now."""
        return span((self.ended or now) - self.began)


def share(moment: Moment, now: datetime) -> tuple[float | None, bool]:
    """How much of the step is done, 0 to 1 or unknown, and whether that is known rather than expected."""
    progress, download = moment.progress, moment.download
    if download and download.length:
        return min(download.bytes / download.length, 1.0), True
    if progress is None or progress.phase not in _AT_THE_PROVIDER:
        return None, True
    if progress.percent is not None:
        return progress.percent / 100, True
    begun = progress.timeline.get(Phase.QUEUED, progress.since)
    if progress.eta and progress.estimate:  # not by the ETA, which moves on with the time
        return min((now - begun).total_seconds() / max(progress.estimate.total[1], 1.0), 0.99), False
    return None, True


def percentage(moment: Moment, now: datetime) -> str:
    """`62 %`, or `~62 %` where it is only expected; empty when unknown."""
    done, known = share(moment, now)
    return "" if done is None else f"{'' if known else '~'}{done * 100:.0f} %"


def expectation(moment: Moment, now: datetime) -> str | None:
    """How long it usually takes, in words; None when nobody knows, or when it is over."""
    progress = moment.progress
    if moment.ended or progress is None or not (told := describe_estimate(progress, now)):
        return None
    if progress.eta and progress.eta > now:
        told += f"; expected in {span(progress.eta - now)}"
    return told


def steps(timeline: Mapping[Phase, datetime], until: datetime) -> str:
    """How long each step took: `queue 35 s · render 5 min 30 s`. The last one goes on, or ended, at `until`."""
    entries = sorted(timeline.items(), key=lambda entry: entry[1])
    ends = [*(entered for _, entered in entries), until][1:]
    names = dict(_STEPS)
    if Phase.RENDERING not in timeline and entries and entries[-1][0] is not Phase.QUEUED:
        names[Phase.QUEUED] = "queue and render"  # finished before anybody saw the difference
    times = [
        f"{names[phase]} {span(end - entered)}"
        for (phase, entered), end in zip(entries, ends, strict=True)
        if phase in names and (end - entered).total_seconds() >= 1
    ]
    return " · ".join(times)


def ahead(moment: Moment, now: datetime) -> str | None:
    """What happens next, and when; for a download how far it is."""
    progress = moment.progress
    if moment.ended or progress is None:
        return None
    if progress.phase is Phase.DOWNLOADING:
        return _downloading(moment.download, moment.rate, now)
    if progress.phase not in _AT_THE_PROVIDER:
        return None
    if progress.next_poll_at is None or progress.next_poll_at <= now:
        return "asking the provider"
    return f"next poll in {_until(progress.next_poll_at, now)}"


def news(moment: Moment) -> str | None:
    """The run's own sentence, where it says more than the phase and the times do."""
    download, progress = moment.download, moment.progress
    if moment.phase == Phase.DOWNLOADING:
        return _failed(download) if download else None
    if progress and moment.phase in _AT_THE_PROVIDER and not progress.trouble:
        return None
    return clean(moment.message) or None


def line(moment: Moment, label: str, now: datetime) -> str:
    """All of it in one plain line."""
    percent = percentage(moment, now) if share(moment, now)[1] else ""
    failed = news(moment) if moment.download and moment.download.trouble else None
    words = [f"{moment.phase.replace('_', ' ')}{' ' if percent else ''}{percent}", clean(failed or moment.message)]
    if expected := expectation(moment, now):
        words[-1] += f" ({expected})"
    return ": ".join(filter(None, [label, moment.elapsed(now), *words]))


def download_lines(download: DownloadProgress, now: datetime) -> list[tuple[str, str]]:
    """A download as label and value: how far it is, and what went wrong with the attempt before."""
    rows = {"download": _downloading(download, None, now), "trouble": _failed(download)}
    return [(label, value) for label, value in rows.items() if value]


def _failed(download: DownloadProgress) -> str | None:
    return clean(f"attempt {download.attempt - 1} failed: {download.trouble}") if download.trouble else None


def _downloading(download: DownloadProgress | None, rate: float | None, now: datetime) -> str | None:
    if download is None:
        return None
    if download.next_attempt_at and download.next_attempt_at > now:
        return f"attempt {download.attempt} in {_until(download.next_attempt_at, now)}"
    if not download.bytes:
        return None
    if download.bytes == download.length:
        return f"{size(download.bytes)} · checking the file"
    words = [f"{size(download.bytes)} of {size(download.length)}" if download.length else size(download.bytes)]
    if rate:
        words.append(f"{size(int(rate))}/s")
        if download.length:
            words.append(f"{span((download.length - download.bytes) / rate)} left")
    return " · ".join(words)


def _until(moment: datetime, now: datetime) -> str:
    """Rounded up, so that a countdown ends with 1 s."""
    return span(math.ceil((moment - now).total_seconds()))
