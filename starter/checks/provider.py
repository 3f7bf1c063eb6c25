"""Is the provider there, does it take the API key, and does its clock agree with this machine's. Costs nothing."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from manxue.errors import AuthenticationFailed, ManxueError, NotFound, RateLimited, UnknownOutcome
from manxue.reachability import Reached, reach_provider
from manxue.redact import redact
from starter.diagnosis import Check, Finding, failed, ok, unknown

_PROVIDER, _KEY, _CLOCK = "provider", "api key", "clock"
_PATIENCE = 5.0
_LARGEST_SKEW = 60.0
"""Seconds. Signatures of object stores and certificates bear minutes; times shown to people should bear less."""


def provider_checks(base_url: str, api_key: str | None) -> list[Check]:
    """One check with three findings: all come from the same two questions."""

    async def look() -> Sequence[Finding]:
        try:
            without, with_key = await asyncio.gather(
                reach_provider(base_url, None, _PATIENCE), _with_key(base_url, api_key)
            )
        except ManxueError as error:
            advice = "look at MANXUE_BASE_URL, and whether this machine may reach it"
            return [
                failed(_PROVIDER, f"{redact(base_url)}: {error}; {advice}"),
                unknown(_KEY, "the provider cannot be asked"),
                unknown(_CLOCK, "there is nothing to compare it with"),
            ]
        return [_provider(base_url, with_key or without), _key(without, with_key), _clock(without, datetime.now(UTC))]

    return [Check(_PROVIDER, look)]


async def _with_key(base_url: str, api_key: str | None) -> Reached | None:
    return None if api_key is None else await reach_provider(base_url, api_key, _PATIENCE)


def _provider(base_url: str, reached: Reached) -> Finding:
    match reached.meaning:
        case UnknownOutcome() as odd:
            return failed(_PROVIDER, f"what answers at {redact(base_url)} is not the API: {odd}")
        case _:
            return ok(_PROVIDER, f"{redact(base_url)} answers")


def _key(without: Reached, with_key: Reached | None) -> Finding:
    """A provider that looks for the task with the key only, and refuses who comes without, has taken the key."""
    if with_key is None:
        return unknown(_KEY, "MANXUE_API_KEY is not set in this shell, so it was not checked; only workers need it")
    match with_key.meaning:
        case AuthenticationFailed() as refused:
            return failed(_KEY, f"{refused}; put the right one into MANXUE_API_KEY of the workers")
        case RateLimited():
            return unknown(_KEY, "the provider is asked too often now; try again in a minute")
        case NotFound() if isinstance(without.meaning, AuthenticationFailed):
            return ok(_KEY, "the provider takes it, and refuses who has none")
        case NotFound():
            return unknown(_KEY, "not refused, but the provider asks for none before it looks for a task")
        case other:
            return unknown(_KEY, f"the provider answered neither yes nor no: {other}")


def _clock(reached: Reached, now: datetime) -> Finding:
    if reached.date is None:
        return unknown(_CLOCK, "the provider does not say the time")
    skew = (now - reached.date).total_seconds()
    if abs(skew) > _LARGEST_SKEW:
        side = "ahead of" if skew > 0 else "behind"
        return failed(_CLOCK, f"{abs(skew):.0f} s {side} the provider's: set this machine's clock, by NTP")
    return ok(_CLOCK, f"within {max(abs(skew), 1):.0f} s of the provider's")
