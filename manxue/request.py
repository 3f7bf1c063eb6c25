"""Every rule of the provider's create-task body, checked offline and in one pass.

All problems are found at once, each named as the caller wrote the field, because a caller who mends one mistake
only to meet the next loses an hour of somebody's day.
"""

import json
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from manxue.checked_request import CheckedRequest, Medium, mode_of
from manxue.problem import Problem, problem, unknown_field
from manxue.url import media_url_problem
from manxue.vocabulary import (
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

__all__ = ["CheckedRequest", "Problem", "Verdict", "check_request"]

FIRST_NAMES = ("first_image", "image")
LAST_NAMES = ("last_image", "lastFrameImage")
REFERENCE_LIMITS = {
    "referenceImages": MAX_REFERENCE_IMAGES,
    "referenceVideos": MAX_REFERENCE_VIDEOS,
    "referenceAudios": MAX_REFERENCE_AUDIOS,
}
FIELDS = ("model", "prompt", "duration", "ratio", *FIRST_NAMES, *LAST_NAMES, *REFERENCE_LIMITS)


@dataclass(frozen=True)
class Verdict:
    """What the rules say of a body: a request to send, or all that is wrong with it."""

    request: CheckedRequest | None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    """Every medium under the name that the caller wrote."""


def check_request(body: object, *, extra: object = None, allow_unknown_model: bool = False) -> Verdict:
    """Check a create-task body against every documented rule. Never raises, whatever JSON value `body` is.

    `extra` holds undocumented fields to pass through. `allow_unknown_model` accepts model names that
    neither the vendor nor newer documentation of the same API knows.
    """
    if not isinstance(body, dict):
        return Verdict(
            None,
            [problem("request", "type", body, "must be a JSON object with the provider's create-task fields")],
        )
    check = _Check(body)
    check.model(allow_unknown_model)
    check.prompt()
    check.duration()
    check.ratio()
    check.media()
    check.combinations()
    check.names(extra)
    if check.problems:
        return Verdict(None, check.problems)
    request = _build(check, extra if isinstance(extra, dict) else {})
    media = request.media(check.written(FIRST_NAMES), check.written(LAST_NAMES))
    return Verdict(request, warnings=_warnings(request), media=media)


class _Check:
    """One pass over one body, gathering problems."""

    def __init__(self, body: dict[Any, Any]) -> None:
        self.body: dict[str, Any] = {str(name): value for name, value in body.items()}
        self.problems: list[Problem] = []

    def report(self, name: str, rule: str, hint: str, given: Any = None) -> None:
        self.problems.append(problem(name, rule, given, hint))

    def present(self, name: str) -> bool:
        return self.body.get(name) is not None and self.body[name] != []

    def written(self, names: tuple[str, str]) -> str | None:
        """Under which of two names a field was written, the present-day name first."""
        return next((name for name in names if self.present(name)), None)

    def text(self, name: str) -> str | None:
        value = self.body.get(name)
        if value is None:
            self.report(name, "required", "is required")
        elif not isinstance(value, str):
            self.report(name, "type", "must be a string", value)
        else:
            return value
        return None

    def model(self, allow_unknown: bool) -> None:
        name = self.text("model")
        known = MODELS + VIDEO_MODELS
        if name is None or name in known or (allow_unknown and name.strip() and _is_json(name)):
            return
        hint = f"must be one of {', '.join(known)}; set `allow_unknown_model` to send another"
        self.report("model", "choice", hint, name)

    def prompt(self) -> None:
        text = self.text("prompt")
        if text is not None and not text.strip():
            self.report("prompt", "empty", "must not be empty", text)
        elif text is not None and not _is_json(text):
            self.report("prompt", "type", "holds half of a surrogate pair, which is no valid Unicode text", text)

    def duration(self) -> None:
        value = self.body.get("duration")
        if value is None:
            return
        if not _is_whole(value):
            self.report("duration", "type", "must be a whole number of seconds", value)
        elif not MIN_DURATION <= value <= MAX_DURATION:
            self.report("duration", "range", f"must be {MIN_DURATION} to {MAX_DURATION} seconds", int(value))

    def ratio(self) -> None:
        value = self.body.get("ratio")
        if value is None:
            return
        if not isinstance(value, str):
            self.report("ratio", "type", "must be a string", value)
        elif value not in RATIOS:
            self.report("ratio", "choice", f"must be one of {', '.join(RATIOS)}", value)

    def media(self) -> None:
        for name in FIRST_NAMES + LAST_NAMES:
            if self.body.get(name) is not None:
                self.url(name, self.body[name])
        for name, most in REFERENCE_LIMITS.items():
            value = self.body.get(name)
            if value is None:
                continue
            if not isinstance(value, list):
                self.report(name, "type", "must be a list of URLs", value)
                continue
            if len(value) > most:
                self.report(
                    name,
                    "max_items",
                    f"takes at most {most} entries, {len(value)} were given; remove {len(value) - most}",
                )
            for i, item in enumerate(value):
                self.url(f"{name}[{i}]", item)

    def url(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            self.report(name, "type", "must be a URL string", value)
        elif hint := media_url_problem(value):
            self.report(name, "url", hint, value)

    def combinations(self) -> None:
        for new, old in (FIRST_NAMES, LAST_NAMES):
            if self.present(new) and self.present(old) and self.body[new] != self.body[old]:
                self.report(
                    old,
                    "conflict",
                    f"is the legacy name of `{new}`, which has another value; give one of them",
                    self.body[old],
                )
        first, last = self.written(FIRST_NAMES), self.written(LAST_NAMES)
        if last and not first:
            self.report(
                last,
                "requires",
                "needs `first_image` as well: a last frame alone is not a mode of the provider",
                self.body[last],
            )
        for name in REFERENCE_LIMITS:
            if self.present(name) and (frame := first or last):
                self.report(
                    name,
                    "conflict",
                    f"cannot be combined with `{frame}`; give frames or references, not both",
                )

    def names(self, extra: object) -> None:
        for name in self.body:
            if name not in FIELDS:
                self.problems.append(
                    unknown_field(
                        name,
                        list(FIELDS),
                        "not a documented field of the provider; undocumented fields go in `extra`",
                    )
                )
        if extra is not None and not isinstance(extra, dict):
            self.report("extra", "type", "must be a JSON object of undocumented provider fields", extra)
        elif not _is_json(extra):
            self.report("extra", "type", "holds NaN, an infinity or half of a surrogate pair, which JSON cannot carry")
        for name in extra if isinstance(extra, dict) else ():
            if name in FIELDS:
                self.report(f"extra.{name}", "conflict", f"is a documented field; give it in `request` as `{name}`")


def _build(check: _Check, extra: dict[str, Any]) -> CheckedRequest:
    def value(names: tuple[str, str]) -> str | None:
        name = check.written(names)
        return check.body[name] if name else None

    first, last = value(FIRST_NAMES), value(LAST_NAMES)
    references = {name: tuple(check.body.get(name) or ()) for name in REFERENCE_LIMITS}
    return CheckedRequest(
        model=check.body["model"],
        prompt=check.body["prompt"],
        duration=int(check.body.get("duration") or DEFAULT_DURATION),
        ratio=check.body.get("ratio") or DEFAULT_RATIO,
        mode=mode_of(first, last, *references.values()),
        first_image=first,
        last_image=last,
        reference_images=references["referenceImages"],
        reference_videos=references["referenceVideos"],
        reference_audios=references["referenceAudios"],
        extra=extra,
    )


def _warnings(request: CheckedRequest) -> list[Problem]:
    if request.reference_videos and request.model in MODELS:
        better = request.model.replace("sd2_manxue_", "sd2_manxue_video_")
        hint = f"newer documentation of this API says that reference videos need a `_video_` model such as {better}"
        return [problem("referenceVideos", "recommended", request.model, hint)]
    return []


def _is_json(value: object) -> bool:
    """Whether a parsed value can be sent again: Python's parsers let in more than JSON and UTF-8 allow."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _is_whole(value: object) -> TypeGuard[int | float]:
    """A JSON integer; 5.0 is one too, as in JSON Schema."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
