"""The options of `manxue generate`, named after the fields they fill."""

from typing import Annotated

import typer

from manxue.vocabulary import MAX_REFERENCE_AUDIOS, MAX_REFERENCE_IMAGES, MAX_REFERENCE_VIDEOS, RATIOS
from starter.inputs import DEFAULT_MODEL

_BODY, _RUN, _IDENTITY, _OUTPUT = "The request", "The run", "Its identity", "What is shown"

Request = Annotated[
    str | None,
    typer.Option(
        "--request",
        "-r",
        metavar="FILE",
        help="JSON or YAML, - for standard input: the create-task body, or the whole input with `request` in it. "
        "Other options go on top.",
        rich_help_panel=_BODY,
    ),
]
Model = Annotated[str | None, typer.Option(help=f"Default: {DEFAULT_MODEL}.", rich_help_panel=_BODY)]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", rich_help_panel=_BODY)]
Duration = Annotated[int | None, typer.Option(metavar="SECONDS", help="4 to 15, default 5.", rich_help_panel=_BODY)]
Ratio = Annotated[str | None, typer.Option(help=f"One of {', '.join(RATIOS)}.", rich_help_panel=_BODY)]
FirstImage = Annotated[str | None, typer.Option(metavar="URL|FILE", help="The first frame.", rich_help_panel=_BODY)]
LastImage = Annotated[
    str | None, typer.Option(metavar="URL|FILE", help="The last frame, with --first-image.", rich_help_panel=_BODY)
]


def _references(kind: str, most: int) -> object:
    return typer.Option(metavar="URL|FILE", help=f"A reference {kind}; up to {most} times.", rich_help_panel=_BODY)


ReferenceImage = Annotated[list[str] | None, _references("image", MAX_REFERENCE_IMAGES)]
ReferenceVideo = Annotated[list[str] | None, _references("video", MAX_REFERENCE_VIDEOS)]
ReferenceAudio = Annotated[list[str] | None, _references("audio", MAX_REFERENCE_AUDIOS)]
Extra = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=JSON", help="An undocumented provider field, sent as it is.", rich_help_panel=_BODY),
]
AllowUnknownModel = Annotated[
    bool | None, typer.Option("--allow-unknown-model", help="Send any model name.", rich_help_panel=_BODY)
]

Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="DIR|URL", help="Directory or s3://, gs://, az:// prefix.", rich_help_panel=_RUN
    ),
]
Name = Annotated[str | None, typer.Option(help="File name stem. Default: the task id.", rich_help_panel=_RUN)]
AssetReview = Annotated[
    str | None,
    typer.Option(metavar="images|all|none", help="Which media go through the asset library.", rich_help_panel=_RUN),
]
StrictMedia = Annotated[
    bool | None, typer.Option("--strict-media", help="Media recommendations are rules.", rich_help_panel=_RUN)
]
Preview = Annotated[
    bool | None,
    typer.Option(
        "--preview/--no-preview", help="Put a poster and a contact sheet beside the video.", rich_help_panel=_RUN
    ),
]
OnUnknownSubmission = Annotated[
    str | None,
    typer.Option(
        metavar="hold|resubmit|fail",
        help="When nobody can know whether the order arrived: ask (default), order again, or fail.",
        rich_help_panel=_RUN,
    ),
]
Deadline = Annotated[
    str | None, typer.Option(metavar="TIME", help="2h, 90m, seconds or ISO 8601. Default: 24h.", rich_help_panel=_RUN)
]
PollFirst = Annotated[
    str | None, typer.Option(metavar="TIME", help="Until the provider is asked first.", rich_help_panel=_RUN)
]
PollInterval = Annotated[str | None, typer.Option(metavar="TIME", help="Between questions.", rich_help_panel=_RUN)]
PollMaxInterval = Annotated[str | None, typer.Option(metavar="TIME", help="What it grows to.", rich_help_panel=_RUN)]
TaskId = Annotated[
    str | None,
    typer.Option(help="Adopt a task that exists: nothing is ordered or paid again.", rich_help_panel=_RUN),
]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Is told by a signed POST how the run ends, and when it needs a decision; up to 10 times.",
        rich_help_panel=_RUN,
    ),
]
Tenant = Annotated[str | None, typer.Option(help="Tenants share the workers fairly.", rich_help_panel=_RUN)]
Priority = Annotated[int | None, typer.Option(metavar="1-5", help="1 goes first; default 3.", rich_help_panel=_RUN)]

Key = Annotated[
    str | None,
    typer.Option(
        help="Idempotency key: the same key again is the same run, never a second render.", rich_help_panel=_IDENTITY
    ),
]
Id = Annotated[
    str | None, typer.Option("--id", help="The workflow id itself, instead of a key.", rich_help_panel=_IDENTITY)
]
Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Print the workflow id and leave.", rich_help_panel=_OUTPUT)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_OUTPUT)]
