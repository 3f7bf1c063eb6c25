"""The provider's create-task body as JSON Schema: names, types and limits from the tables that the rules use.

Rules between fields stay with the worker, which tells all broken ones at once. What it accepts, this accepts as well.
"""

from typing import Any

from manxue.request import FIRST_NAMES, LAST_NAMES, REFERENCE_LIMITS
from manxue.vocabulary import DEFAULT_DURATION, DEFAULT_RATIO, MAX_DURATION, MIN_DURATION, MODELS, RATIOS, VIDEO_MODELS

Schema = dict[str, Any]

KNOWN_MODEL: Schema = {"type": "string", "enum": [*MODELS, *VIDEO_MODELS]}
NULL: Schema = {"type": "null"}
PLACEHOLDERS: Schema = {"type": "string", "pattern": r"\{\{"}
"""A text that is filled in before it is judged; alone, a placeholder can stand for any value."""

_URL: Schema = {
    "type": "string",
    "pattern": "^([Hh][Tt][Tt][Pp][Ss]?|[Aa][Ss][Ss][Ee][Tt]|[Ss]3|[Gg][Ss]|[Aa][Zz])://.",
    "description": "`http(s)://`; `asset://` and the id of a reviewed asset; or `s3://`, `gs://`, `az://` with bucket "
    "and key, of which the worker sends a signed URL.",
}
_FRAMES = {FIRST_NAMES: "The first frame of the video", LAST_NAMES: "The last frame; needs a first frame as well"}
_ABOUT = (
    "The provider's create-task body. The worker checks all of it, also what a schema says badly: no frame together "
    "with references, a last frame only with a first one, a legacy name beside its present one only with the same "
    "value. Null and an empty list stand for what was not given."
)


def create_task() -> Schema:
    """The body. A model that nobody knows is let through, since `allow_unknown_model` stands outside of it."""
    forms = _forms(_URL)
    optional = {name: either(form, NULL) for name, form in forms.items() if name not in _required(forms)}
    return _object("CreateTask", _ABOUT, {**forms, **optional})


def create_task_template() -> Schema:
    """The body of an input with `template`: every value may also be a text with placeholders."""
    forms = _forms(either(_URL, PLACEHOLDERS))
    forms = {
        name: form if name in FIRST_NAMES + LAST_NAMES else either(form, PLACEHOLDERS) for name, form in forms.items()
    }
    optional = {name: either(form, NULL) for name, form in forms.items() if name not in _required(forms)}
    return _object("CreateTaskTemplate", "A create-task body with `{{ placeholders }}`.", {**forms, **optional})


def either(form: Schema, other: Schema) -> Schema:
    """One of two forms, described as the first."""
    notes: Schema = {name: form[name] for name in ("description", "deprecated", "default") if name in form}
    bare = {name: value for name, value in form.items() if name not in notes}
    return {**notes, "anyOf": [*(bare["anyOf"] if bare.keys() == {"anyOf"} else [bare]), other]}


def _forms(url: Schema) -> dict[str, Schema]:
    return {
        "model": {
            "description": "Sets the resolution. `referenceVideos` want one of those with `_video_`.",
            "anyOf": [KNOWN_MODEL, {"type": "string", "minLength": 1}],
        },
        "prompt": {"description": "What is to be seen; not blank.", "type": "string", "minLength": 1},
        "duration": {
            "description": f"Whole seconds. Default: {DEFAULT_DURATION}.",
            "type": "integer",
            "minimum": MIN_DURATION,
            "maximum": MAX_DURATION,
        },
        "ratio": {
            "description": f"Width to height. Default: {DEFAULT_RATIO}.",
            "type": "string",
            "enum": list(RATIOS),
        },
        **{name: form for names, about in _FRAMES.items() for name, form in _frame(names, about, url).items()},
        **{
            name: {"description": f"At most {most}.", "type": "array", "items": url, "maxItems": most}
            for name, most in REFERENCE_LIMITS.items()
        },
    }


def _frame(names: tuple[str, str], about: str, url: Schema) -> dict[str, Schema]:
    name, legacy = names
    return {
        name: {**url, "description": f"{about}: {_URL['description']}"},
        legacy: {**url, "description": f"Legacy name of `{name}`.", "deprecated": True},
    }


def _required(forms: dict[str, Schema]) -> list[str]:
    return [name for name in forms if name in ("model", "prompt")]


def _object(title: str, about: str, forms: dict[str, Schema]) -> Schema:
    return {
        "title": title,
        "description": about,
        "type": "object",
        "properties": forms,
        "required": _required(forms),
        "additionalProperties": False,
    }
