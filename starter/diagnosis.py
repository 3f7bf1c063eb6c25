"""What is wrong with a setup, found by checks that run side by side, each for a few seconds at most. Prints nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

_PATIENCE = 12.0
"""Seconds for one check; connecting to Temporal alone may take 8."""


class Finding(BaseModel):
    """One line of a diagnosis."""

    name: str
    """What was looked at."""
    verdict: Literal["ok", "unknown", "failed"]
    """`unknown`: it could not be checked here, which is no failure."""
    text: str
    """What was found, and what to do where it is not ok."""


@dataclass(frozen=True)
class Check:
    """One thing to be looked at; `look` finds one or more."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]


async def diagnose(checks: Sequence[Check], patience: float = _PATIENCE) -> list[Finding]:
    """All findings, in the order of the checks. One that does not end, or breaks, has failed."""
    found = await asyncio.gather(*(_bounded(check, patience) for check in checks))
    return [finding for findings in found for finding in findings]


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name=name, verdict="ok", text=text)


def unknown(name: str, text: str) -> Finding:
    """Nobody can tell from here."""
    return Finding(name=name, verdict="unknown", text=text)


def failed(name: str, text: str) -> Finding:
    """Something has to be done."""
    return Finding(name=name, verdict="failed", text=text)


async def _bounded(check: Check, patience: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(patience):
            return await check.look()
    except TimeoutError:
        return [failed(check.name, f"no answer within {patience:g} s")]
    except Exception as error:
        return [failed(check.name, f"the check broke: {type(error).__name__}: {error}")]
