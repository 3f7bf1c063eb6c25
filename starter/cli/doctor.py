"""`manxue doctor`: is everything there that runs need, and if not, what to do."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from settings import KeySettings, load
from starter import display
from starter.checks.programs import program_checks
from starter.checks.provider import provider_checks
from starter.checks.storage import storage_checks
from starter.checks.temporal import temporal_checks
from starter.cli.exit_codes import UNAVAILABLE, Stopped
from starter.cli.session import use_stack
from starter.diagnosis import Finding, diagnose
from starter.local import EMULATOR_KEY
from starter.local_state import LocalState

T = TypeVar("T")

_MARKS = {"ok": ("ok", "green"), "unknown": ("-", "yellow"), "failed": ("FAILED", "bold red")}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check Temporal, workers, provider, API key, output, staging, clock and versions. Costs nothing."""
    settings = load(KeySettings)
    findings = _run(_diagnosis(settings, use_stack()))
    if as_json:
        display.put_json([finding.model_dump() for finding in findings])
    else:
        _put(findings)
    count = sum(finding.verdict == "failed" for finding in findings)
    if count:
        raise Stopped(UNAVAILABLE, f"{count} of {len(findings)} checks failed")


async def _diagnosis(settings: KeySettings, stack: LocalState | None) -> list[Finding]:
    base_url, key = settings.base_url, settings.api_key.get_secret_value() if settings.api_key else None
    if stack and stack.emulator_url:
        base_url, key = stack.emulator_url, EMULATOR_KEY
    return await diagnose(
        [
            *temporal_checks(settings.task_queue),
            *provider_checks(base_url, key),
            *storage_checks(settings.output, settings.staging, stack),
            *program_checks(),
        ]
    )


def _put(findings: list[Finding]) -> None:
    """One line each; in a terminal coloured, and wrapped beside the names."""
    if display.terminal_width() is None:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            display.put(f"{_MARKS[finding.verdict][0]:<6}  {finding.name:<{width}}  {finding.text}")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(*_MARKS[finding.verdict]), finding.name, Text(display.clean(finding.text)))
    display.stdout().print(table)


class _LeavingThreads(ThreadPoolExecutor):
    """A thread that hangs, in a file system or in a look-up of a name, is left behind: the process ends anyway."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def _run(work: Coroutine[Any, Any, T]) -> T:
    async def whole() -> T:
        asyncio.get_running_loop().set_default_executor(_LeavingThreads())
        return await work

    return asyncio.run(whole())
