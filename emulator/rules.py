"""The provider's rules for a create call, applied as a server does: the first one broken refuses the request.

Written apart from `manxue/request.py` on purpose: a mistake there must not hide behind the same mistake here. Fields
that are not documented are ignored, as reported of the provider.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from manxue.vocabulary import (
    ASSET_SCHEME,
    DEFAULT_DURATION,
    DEFAULT_RATIO,
    MAX_DURATION,
    MAX_REFERENCE_AUDIOS,
    MAX_REFERENCE_IMAGES,
    MAX_REFERENCE_VIDEOS,
    MIN_DURATION,
    MODELS,
    RATIOS,
    VIDEO_MODELS,
)

MAX_SECONDS, MAX_BYTES = 15.0, 500 * 1024 * 1024
"""Of all reference videos together, and of all reference audios."""
_LAST_FRAME = 0.1
"""Seconds by which a recording of 15 s may be longer: encoders end on a whole frame."""


class RuleBroken(Exception):
    """The request is refused; the text says why."""


@dataclass(frozen=True)
class Order:
    """A create call that keeps every rule. Media are http(s) URLs or `asset://` references."""

    model: str
    prompt: str
    duration: int
    ratio: str
    first_image: str | None
    last_image: str | None
    reference_images: tuple[str, ...]
    reference_videos: tuple[str, ...]
    reference_audios: tuple[str, ...]

    @property
    def pictures(self) -> tuple[str, ...]:
        """First frame, last frame, then reference images."""
        return tuple(url for url in (self.first_image, self.last_image) if url) + self.reference_images

    @property
    def recordings(self) -> dict[str, tuple[str, ...]]:
        """Reference videos and reference audios, by the field that they came in."""
        return {"referenceVideos": self.reference_videos, "referenceAudios": self.reference_audios}


def read_order(body: object) -> Order:
    """Read the JSON body of a create call. Raises RuleBroken. A field that is null counts as not given."""
    if not isinstance(body, dict):
        raise RuleBroken("the request body must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None}
    order = Order(
        model=_choice(given, "model", MODELS + VIDEO_MODELS),
        prompt=_prompt(given),
        duration=_duration(given),
        ratio=_choice({"ratio": DEFAULT_RATIO, **given}, "ratio", RATIOS),
        first_image=_frame(given, "first_image", "image"),
        last_image=_frame(given, "last_image", "lastFrameImage"),
        reference_images=_references(given, "referenceImages", MAX_REFERENCE_IMAGES),
        reference_videos=_references(given, "referenceVideos", MAX_REFERENCE_VIDEOS),
        reference_audios=_references(given, "referenceAudios", MAX_REFERENCE_AUDIOS),
    )
    if order.last_image and not order.first_image:
        raise RuleBroken("last_image requires first_image")
    if order.first_image and (order.reference_images or any(order.recordings.values())):
        raise RuleBroken("first_image and last_image cannot be combined with reference media")
    return order


def check_recordings(name: str, seconds: float, size: int) -> None:
    """Judge the recordings of a field together; `size` is in bytes. Raises RuleBroken."""
    if seconds > MAX_SECONDS + _LAST_FRAME:
        raise RuleBroken(f"{name} last {seconds:.1f} s together, at most {MAX_SECONDS:g} s are allowed")
    if size > MAX_BYTES:
        raise RuleBroken(f"{name} have {size} bytes together, at most {MAX_BYTES} are allowed")


def _choice(given: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name)
    if isinstance(value, str) and value in allowed:
        return value
    raise RuleBroken(f"{name} must be one of {', '.join(allowed)}")


def _prompt(given: dict[str, Any]) -> str:
    prompt = given.get("prompt")
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    raise RuleBroken("prompt must not be empty")


def _duration(given: dict[str, Any]) -> int:
    duration = given.get("duration", DEFAULT_DURATION)
    if type(duration) is int and MIN_DURATION <= duration <= MAX_DURATION:  # True and 5.0 are not integers
        return duration
    raise RuleBroken(f"duration must be an integer from {MIN_DURATION} to {MAX_DURATION}")


def _frame(given: dict[str, Any], name: str, legacy: str) -> str | None:
    urls = [_media(given[written], written) for written in (name, legacy) if written in given]
    if len(set(urls)) > 1:
        raise RuleBroken(f"parameter conflict: {legacy} and {name} have different values")
    return urls[0] if urls else None


def _references(given: dict[str, Any], name: str, most: int) -> tuple[str, ...]:
    urls = given.get(name, [])
    if not isinstance(urls, list):
        raise RuleBroken(f"{name} must be an array")
    if len(urls) > most:
        raise RuleBroken(f"{name} takes at most {most} entries")
    return tuple(_media(url, name) for url in urls)


def _media(url: object, name: str) -> str:
    if isinstance(url, str) and (is_web_url(url) or (url.startswith(ASSET_SCHEME) and url != ASSET_SCHEME)):
        return url
    raise RuleBroken(f"{name} must be an http(s) URL or {ASSET_SCHEME}{{assetId}}")


def is_web_url(url: str) -> bool:
    """Whether this is an absolute http or https URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
