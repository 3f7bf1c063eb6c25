"""The request as the rest of the program knows it: checked, legacy names resolved, defaults filled in."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from manxue.vocabulary import Mode


@dataclass(frozen=True)
class Medium:
    """One medium of a request."""

    field: str
    """With an index where it is one of a list: `referenceImages[2]`."""
    kind: Literal["image", "video", "audio"]
    reference: str


class CheckedRequest(BaseModel):
    """A request that the provider's documented rules accept, legacy names resolved and defaults filled in."""

    model_config = ConfigDict(frozen=True)

    model: str
    prompt: str
    duration: int
    """Seconds, 4 to 15."""
    ratio: str
    mode: Mode
    first_image: str | None = None
    last_image: str | None = None
    reference_images: tuple[str, ...] = ()
    reference_videos: tuple[str, ...] = ()
    reference_audios: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    """Undocumented provider fields that the caller asked to be sent as they are."""

    def images(self) -> list[str]:
        """Every image reference, in the order of the fields, each once."""
        frames = [url for url in (self.first_image, self.last_image) if url]
        return list(dict.fromkeys([*frames, *self.reference_images]))

    def media(self, first_name: str | None, last_name: str | None) -> list[Medium]:
        """Every medium in the order of the fields; the two frames under the names that the caller wrote."""
        frames = [
            Medium(name, "image", reference)
            for name, reference in ((first_name, self.first_image), (last_name, self.last_image))
            if name and reference
        ]
        images = [Medium(f"referenceImages[{i}]", "image", url) for i, url in enumerate(self.reference_images)]
        videos = [Medium(f"referenceVideos[{i}]", "video", url) for i, url in enumerate(self.reference_videos)]
        audios = [Medium(f"referenceAudios[{i}]", "audio", url) for i, url in enumerate(self.reference_audios)]
        return [*frames, *images, *videos, *audios]

    def fingerprint(self) -> str:
        """Tells this request from any other."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def body(self) -> dict[str, Any]:
        """The JSON body of the create call."""
        media = {
            "first_image": self.first_image,
            "last_image": self.last_image,
            "referenceImages": list(self.reference_images),
            "referenceVideos": list(self.reference_videos),
            "referenceAudios": list(self.reference_audios),
        }
        given = {name: value for name, value in media.items() if value}
        always = {"model": self.model, "prompt": self.prompt, "duration": self.duration, "ratio": self.ratio}
        return {**always, **given, **self.extra}

    def with_media(self, replaced: dict[str, str]) -> "CheckedRequest":
        """The same request with each media reference that is a key of `replaced` exchanged for its value."""

        def swap(url: str) -> str:
            return replaced.get(url, url)

        return self.model_copy(
            update={
                "first_image": self.first_image and swap(self.first_image),
                "last_image": self.last_image and swap(self.last_image),
                "reference_images": tuple(map(swap, self.reference_images)),
                "reference_videos": tuple(map(swap, self.reference_videos)),
                "reference_audios": tuple(map(swap, self.reference_audios)),
            }
        )


def mode_of(
    first: str | None,
    last: str | None,
    images: tuple[str, ...],
    videos: tuple[str, ...],
    audios: tuple[str, ...],
) -> Mode:
    if first:
        return Mode.FIRST_LAST_FRAME if last else Mode.FIRST_FRAME
    match (bool(images), bool(videos), bool(audios)):
        case (False, False, False):
            return Mode.TEXT
        case (True, False, False):
            return Mode.IMAGE_REFERENCE
        case (False, True, False):
            return Mode.VIDEO_REFERENCE
        case (False, False, True):
            return Mode.AUDIO_REFERENCE
        case _:
            return Mode.MULTIMODAL_REFERENCE
