"""What people see: sentences, facts and failures on standard error; standard output carries only what can be piped."""

import json
import re
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from rich.console import Console
from rich.text import Text

from manxue.problem import Problem
from manxue.redact import redact, redact_json
from starter.execution import Execution
from starter.outcome import RunFailed
from workflows.contract import NotificationReport, Progress, VideoResult


class _Beside(Console):
    """For what is said beside the output. That nobody can hear it must not break what is done."""

    def on_broken_pipe(self) -> None:
        """Says nothing more; the base class would end the process, and take its standard output away."""
        self.quiet = True


console = _Beside(stderr=True, highlight=False, soft_wrap=True)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Other people's words must not move the cursor."""


class OutputLost(Exception):
    """Standard output takes nothing more; the text says why, and is empty when who reads has enough, as `head` does."""


def is_moving() -> bool:
    """Whether standard error is a terminal on which things can move."""
    return console.is_terminal and not console.is_dumb_terminal


def stdout() -> Console:
    """For what a terminal gets in colours; `put` is for everything else."""
    return Console(highlight=False)


def terminal_width() -> int | None:
    """Columns of standard output; None when it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def clean(text: str) -> str:
    """`text` without secrets, and without control characters other than tabs and line ends."""
    return _CONTROL.sub("�", redact(text))


def say(text: str, style: str = "") -> None:
    """One paragraph, for a person. Words are wrapped as wholes, and what is too long for that stays in one piece."""
    text = clean(text)
    in_one_piece = not is_moving() or any(len(word) >= console.width for word in text.split())
    _tell(Text(text, style=style), in_one_piece)


def put(text: str) -> None:
    """What the command was asked for, for a person or a pipe. Raises OutputLost."""
    _put(clean(text))


def put_json(value: Any, indent: int | None = 2) -> None:
    """A JSON value, as `put`. It is cleaned before it is text, in which a quotation mark could be lost."""
    _put(json.dumps(redact_json(value), indent=indent))


def _put(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputLost from error
    except OSError as error:
        raise OutputLost(f"standard output cannot be written: {error.strerror}") from error


def put_rows(rows: list[tuple[str, str]]) -> None:
    """Labels and values on standard output, in two columns."""
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        put(f"{label:<{width}}  {value}")


def error(text: str) -> None:
    """Why the command failed."""
    _tell(Text("error: ", style="bold red") + Text(clean(text)))


def _tell(text: Text, in_one_piece: bool | None = None) -> None:
    with suppress(OSError):  # a terminal that is gone, a full disk
        console.print(text, soft_wrap=in_one_piece)


def location(uri: str) -> str:
    """Where the file is: a path for local files, the reference for object stores."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri


def run_link(ui_url: str | None, run: Execution) -> str | None:
    """The page of the run in the Temporal Web UI, where it is known where that is."""
    if ui_url is None:
        return None
    namespace = quote(run.description.namespace, safe="")
    return f"{ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{quote(run.id, safe='')}/{run.description.run_id}"


def schedule_link(ui_url: str | None, namespace: str, name: str) -> str | None:
    """The page of a schedule in the Temporal Web UI, where it is known where that is."""
    if ui_url is None:
        return None
    return f"{ui_url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/schedules/{quote(name, safe='')}"


def facts(result: VideoResult, link: str | None) -> None:
    """What was found in the delivered file, and what the run had to say."""
    video = result.video
    sound = "with audio" if video.has_audio else "without audio"
    picture = f"{video.width}x{video.height}, {video.duration:.2f} s, {video.fps:g} fps"
    say(f"  {picture}, {video.codec} {sound}, {size(video.bytes)}")
    say(f"  sha256 {video.sha256}")
    if result.preview:
        say(f"  poster {location(result.preview.poster_uri)}")
        say(f"  contact sheet {location(result.preview.contact_sheet_uri)}")
    price = "" if result.provider.amount is None else f", cost {result.provider.amount:g}"
    say(f"  task {result.task_id}{price}")
    problems(result.warnings, "warning: ", "yellow")
    if link:
        say(f"  {link}", "dim")


def failure(failed: RunFailed, link: str | None = None) -> None:
    """Why there is no video, all that is wrong with the input, and what to do."""
    _tell(Text(f"{failed.kind}: ", style="bold red") + Text(clean(failed.message)))
    problems(failed.details.problems)
    for url, reason in failed.details.assets.items():
        say(f"  - {url}: {reason}")
    say(f"What to do: {failed.next_step}", "bold")
    if link:
        say(f"  {link}", "dim")


def problems(found: list[Problem], prefix: str = "- ", style: str = "") -> None:
    """Every problem on its line."""
    for problem in found:
        say(f"  {prefix}{problem}", style)


def progress_lines(progress: Progress) -> list[tuple[str, str]]:
    """A progress answer as label and value, without what is not known."""
    percent = None if progress.percent is None else f"{progress.percent:.0f} %"
    rows = {
        "phase": f"{progress.phase}, for {elapsed(progress.since)}",
        "message": progress.message,
        "task": progress.task_id,
        "provider": progress.provider_status,
        "done": percent,
        "polls": str(progress.polls) if progress.polls else None,
        "next poll": clock(progress.next_poll_at),
        "expected": clock(progress.eta),
    }
    rows |= {f"told {i}": notification_line(report) for i, report in enumerate(progress.notifications, 1)}
    rows |= {f"warning {i}": str(warning) for i, warning in enumerate(progress.warnings, 1)}
    return [(label, value) for label, value in rows.items() if value]


def notification_line(report: NotificationReport) -> str:
    """Whether somebody was told of something."""
    message = f" ({report.message})" if report.message else ""
    where = "" if report.state == "delivered" else f", by {report.workflow_id}"
    return f"{report.event} to {report.url}: {report.state.replace('_', ' ')}{message}{where}"


def decision_hint(workflow_id: str) -> str:
    """How to decide about a submission whose outcome is unknown."""
    return (
        "Look in the provider's account whether the task exists, then run one of:\n"
        f"  manxue resolve {workflow_id} --adopt TASK_ID\n    it exists: go on with it\n"
        f"  manxue resolve {workflow_id} --resubmit\n    it does not: order again (if it does, this pays twice)\n"
        f"  manxue resolve {workflow_id} --abandon\n    give up"
    )


def size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def elapsed(since: datetime) -> str:
    """The time from `since` to now, as `span` has it."""
    return span(datetime.now(UTC) - since)


def span(time: timedelta | float) -> str:
    """A length of time: `42 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`; a number is seconds, and none is negative."""
    seconds = max(int(time.total_seconds() if isinstance(time, timedelta) else time), 0)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def clock(moment: datetime | None) -> str | None:
    """A moment in UTC, for people."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
