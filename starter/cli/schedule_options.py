"""The options of `manxue schedule`."""

from enum import StrEnum
from typing import Annotated

import typer

_TIMES, _RULES = "When", "If things do not go as planned"


class Overlap(StrEnum):
    """What happens at a planned time while an earlier run goes on."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    ALLOW_ALL = "allow_all"


class Order(StrEnum):
    """How runs of past times are started."""

    BUFFER_ALL = "buffer_all"
    ALLOW_ALL = "allow_all"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name, its id in Temporal.")]
Request = Annotated[
    str,
    typer.Option(
        "--request",
        "-r",
        metavar="FILE",
        help="JSON or YAML, - for standard input: the create-task body, or the whole input with `request` and "
        "`template` in it. Texts may have {{ scheduled:%A }}, {{ utc }}, {{ counter }} and {{ pick(list) }}.",
    ),
]
NewRequest = Annotated[
    str | None, typer.Option("--request", "-r", metavar="FILE", help="Another request, whole, as for `create`.")
]
Cron = Annotated[
    str | None,
    typer.Option(
        metavar="EXPRESSION",
        help="Minute, hour, day of month, month, day of week: '0 9 * * MON-FRI'. Also @daily and the like.",
        rich_help_panel=_TIMES,
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Instead: 90m, 6h, 1d; on the even times in UTC, or from --start on.",
        rich_help_panel=_TIMES,
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Of --cron, --start, --end and {{ scheduled }}, such as Europe/Berlin. Default: UTC.",
        rich_help_panel=_TIMES,
    ),
]
Start = Annotated[str | None, typer.Option(metavar="TIME", help="Nothing before it.", rich_help_panel=_TIMES)]
End = Annotated[str | None, typer.Option(metavar="TIME", help="Nothing after it.", rich_help_panel=_TIMES)]
Jitter = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Start up to that much later, at random; the planned time stays.", rich_help_panel=_TIMES
    ),
]
OverlapOption = Annotated[
    Overlap | None,
    typer.Option(
        "--overlap",
        help="While an earlier run goes on: start beside it (default), skip the time, or wait, one at most.",
        rich_help_panel=_RULES,
    ),
]
Catchup = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="How late a time may start that was missed while the server was down. Default: 1h.",
        rich_help_panel=_RULES,
    ),
]
PauseOnFailure = Annotated[
    bool | None,
    typer.Option(help="Pause the schedule when a run fails. Not with allow_all.", rich_help_panel=_RULES),
]
Note = Annotated[str | None, typer.Option(help="A word for those who look at it.")]
Preview = Annotated[
    int | None,
    typer.Option(
        min=1, max=1000, metavar="N", help="Only show the next N times and what would be ordered then, as YAML."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="The first time, in the schedule's zone.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="The last time.")]
OrderOption = Annotated[
    Order | None,
    typer.Option(
        "--overlap", help="One after another, or all at once. Default: all at once if the schedule allows overlap."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
