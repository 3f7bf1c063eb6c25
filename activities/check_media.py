"""What the provider's rules say of the media of a request, by what a look at each of them shows."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from manxue.checked_request import Medium
from manxue.problem import Problem, problem
from manxue.redact import capped
from manxue.url import is_http, is_object_store
from media.fetch import AnswerUnusable
from media.guard import FetchFailed, FetchRefused
from media.presign import PresignFailed, presign
from media.probe import LARGEST, ImageFacts, Prober, RecordingFacts
from media.remote_file import MediaUnreadable, NotExamined

PATIENCE = 100.0
"""Seconds for all media of a request, the wait for a turn included."""
_LIFETIME = timedelta(minutes=10)
"""Of the signed URL of an object that is looked at."""

MB = 1024 * 1024
"""The provider does not say which megabyte it means; by the larger one nothing is refused that it would take."""
MAX_SECONDS, MAX_TOGETHER = 15.0, LARGEST
"""Of all reference videos, and of all reference audios. The vendor's page."""
MIN_SECONDS = 2.0
MAX_IMAGE, MAX_VIDEO, MAX_AUDIO = 30 * MB, 50 * MB, 15 * MB
"""Of each. What the engine behind the API is reported to want."""
MIN_ASPECT, MAX_ASPECT, MIN_SIDE, MAX_SIDE = 0.4, 2.5, 300, 6000
"""Width by height, and pixels. The vendor's page recommends them."""
MAX_PIXELS = 200_000_000
"""Decoded, that is 600 MB."""
_ROUNDING = 0.1
"""Seconds. Encoders end on a whole frame: the provider's own videos of 5 s last 5.04 s and more."""
_WANTED = {"image": "jpeg, png, webp, bmp, tiff or gif", "video": "mp4 or mov", "audio": "mp3 or wav"}
_CONTAINERS = {"video": ("mp4", "mov"), "audio": ("mp3", "wav")}

Look = ImageFacts | RecordingFacts | MediaUnreadable | NotExamined | FetchFailed | FetchRefused | PresignFailed


class TurnMissed(Exception):
    """The worker has too many media to look at; nothing is known of the field's that the text names."""


@dataclass(frozen=True)
class Finding:
    """One rule broken by one medium."""

    problem: Problem
    definite: bool
    """The provider cannot use it; otherwise it is known to recommend something else, or nothing is known."""


async def check_media(prober: Prober, media: Sequence[Medium]) -> list[Finding]:
    """All findings, in the order of the fields. Equal references are looked at once, `asset://` not at all.

    Raises TurnMissed.
    """
    seen = {(m.kind, m.reference): m for m in media if is_http(m.reference) or is_object_store(m.reference)}
    end = asyncio.get_running_loop().time() + PATIENCE
    async with asyncio.TaskGroup() as group:
        tasks = {key: group.create_task(_look(prober, medium, end)) for key, medium in seen.items()}
    looks: list[tuple[Medium, Look]] = []
    for medium in media:
        if task := tasks.get((medium.kind, medium.reference)):
            if (look := task.result()) is None:
                raise TurnMissed(medium.field)
            looks.append((medium, look))
    together = [*_together(looks, "video"), *_together(looks, "audio")]
    found = [*together, *(finding for medium, look in looks for finding in _findings(medium, look))]
    order = [medium.field for medium in media]
    return sorted(found, key=lambda finding: order.index(finding.problem.field))


async def _look(prober: Prober, medium: Medium, end: float) -> Look | None:
    """None when its turn did not come in time."""
    try:
        async with asyncio.timeout_at(end):
            url = medium.reference
            if is_object_store(url):
                url = await presign(url, _LIFETIME)
            return await (prober.image(url) if medium.kind == "image" else prober.recording(url))
    except (MediaUnreadable, NotExamined, FetchFailed, FetchRefused, PresignFailed) as error:
        return error
    except TimeoutError:
        return None


def _findings(medium: Medium, look: Look) -> Iterator[Finding]:
    match look:
        case ImageFacts():
            yield from _image(medium, look)
        case RecordingFacts():
            yield from _recording(medium, look)
        case MediaUnreadable():
            private = is_object_store(medium.reference)
            who = "in a bucket that this worker may read" if private else "that anybody can fetch"
            wanted = f"give a file that is {_WANTED[medium.kind]}, {who}"
            yield _definite(medium, "unreadable", f"{look}; {look.remedy or wanted}")
        case AnswerUnusable():
            yield _definite(medium, "unreadable", f"{look}; put it on another server")
        case FetchRefused() | PresignFailed():
            yield _definite(medium, "url", f"cannot be fetched: {look}")
        case NotExamined(remedy=str(remedy)):
            yield _advice(medium, "unreachable", f"could not be checked: {look}; {remedy}")
        case _:
            why = capped(str(look), 200)
            hint = f"could not be checked from this worker ({why}); make sure that the provider can fetch it"
            yield _advice(medium, "unreachable", hint)


def _image(medium: Medium, facts: ImageFacts) -> Iterator[Finding]:
    width, height = facts.header.width, facts.header.height
    size = f"is {width}x{height} pixels"
    wide, high = min(width, int(height * MAX_ASPECT)), min(height, int(width / MIN_ASPECT))
    if width * height > MAX_PIXELS:
        hint = f"{size}; more than {MAX_PIXELS} in all are taken for an attack; {_resize(wide, high)}"
        yield _definite(medium, "unreadable", hint)
        return
    if not MIN_ASPECT <= width / height <= MAX_ASPECT:
        hint = f"{size}; width by height is {width / height:.2f}, {MIN_ASPECT} to {MAX_ASPECT} is recommended"
        yield _advice(medium, "recommended", f"{hint}; crop it to {wide}x{high}")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        hint = f"{size}; {MIN_SIDE} to {MAX_SIDE} a side are recommended; {_resize(wide, high)}"
        yield _advice(medium, "recommended", hint)
    if facts.header.cut_off:
        yield _advice(medium, "recommended", "has no end marker, so it may be cut off; look at it, upload it again")
    if facts.header.animated:
        yield _advice(medium, "recommended", f"is an animated {facts.header.format}; give a still image")
    yield from _weight(medium, facts.bytes, MAX_IMAGE)


def _resize(width: int, height: int) -> str:
    """How a size, of a recommended aspect, comes within the recommended sides."""
    if min(width, height) < MIN_SIDE:
        factor = MIN_SIDE / min(width, height)
        return f"enlarge it to {math.ceil(width * factor)}x{math.ceil(height * factor)}"
    if max(width, height) > MAX_SIDE:
        factor = MAX_SIDE / max(width, height)
        return f"reduce it to {int(width * factor)}x{int(height * factor)}"
    return f"{width}x{height} is fine"


def _recording(medium: Medium, facts: RecordingFacts) -> Iterator[Finding]:
    if not (facts.video_codec if medium.kind == "video" else facts.audio_codec):
        hint = f"is {facts.container} without {medium.kind}; give one that has it, {_WANTED[medium.kind]}"
        yield _definite(medium, "unreadable", hint)
        return
    if facts.container not in _CONTAINERS[medium.kind]:
        hint = f"is {facts.container}; the provider is reported to want {_WANTED[medium.kind]}; convert it"
        yield _advice(medium, "recommended", hint)
    limits = f"{MIN_SECONDS:g} to {MAX_SECONDS:g} s"
    if facts.duration is None:
        hint = f"does not say how long it is; {limits} are reported to be the limits; write it anew"
        yield _advice(medium, "recommended", hint)
    elif facts.duration < MIN_SECONDS - _ROUNDING:
        hint = f"lasts {facts.duration:.1f} s; {limits} are reported to be the limits; give a longer one"
        yield _advice(medium, "recommended", hint)
    yield from _weight(medium, facts.bytes, MAX_VIDEO if medium.kind == "video" else MAX_AUDIO)


def _weight(medium: Medium, size: int | None, most: int) -> Iterator[Finding]:
    if size is not None and size > most:
        hint = f"has {_mb(size)}; the provider is reported to want at most {_mb(most)}; compress it"
        yield _advice(medium, "recommended", hint)


def _together(looks: list[tuple[Medium, Look]], kind: str) -> Iterator[Finding]:
    """What the limits of all media of a kind say, at the one that has the most of it."""
    facts = [(m, look) for m, look in looks if m.kind == kind and isinstance(look, RecordingFacts)]
    seconds = [(look.duration or 0.0, medium) for medium, look in facts]
    if (total := sum(length for length, _ in seconds)) > MAX_SECONDS + _ROUNDING:
        longest, medium = max(seconds, key=lambda entry: entry[0])
        over = total - MAX_SECONDS
        how = "shorten" if over < longest - MIN_SECONDS else f"shorten them ({_each(seconds)})"
        hint = f"lasts {longest:.1f} s; together {total:.1f} s of at most {MAX_SECONDS:g} s; {how} by {over:.1f} s"
        yield _definite(medium, "range", hint)
    sizes = [(look.bytes or 0, medium) for medium, look in facts]
    if (all_bytes := sum(size for size, _ in sizes)) > MAX_TOGETHER:
        largest, medium = max(sizes, key=lambda entry: entry[0])
        hint = f"has {_mb(largest)}; together {_mb(all_bytes)} of at most {_mb(MAX_TOGETHER)}; compress by"
        yield _definite(medium, "range", f"{hint} {_mb(all_bytes - MAX_TOGETHER)}")


def _each(seconds: list[tuple[float, Medium]]) -> str:
    return ", ".join(f"{medium.field} {length:.1f} s" for length, medium in seconds)


def _definite(medium: Medium, rule: str, hint: str) -> Finding:
    return Finding(problem(medium.field, rule, medium.reference, hint), definite=True)


def _advice(medium: Medium, rule: str, hint: str) -> Finding:
    return Finding(problem(medium.field, rule, medium.reference, hint), definite=False)


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB".replace(".0 ", " ")
