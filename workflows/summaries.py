"""One line for each activity and timer, which the Temporal Web UI shows in the timeline: plain text."""

from workflows.run_state import RunState

_LONGEST = 200
"""Bytes; Temporal promises to keep 400."""


def line(text: str) -> str:
    """`text`, short enough."""
    whole = text.encode()
    return text if len(whole) <= _LONGEST else whole[: _LONGEST - 3].decode(errors="ignore") + "…"


def between_polls(state: RunState, seconds: float) -> str:
    """Of the timer before the next poll."""
    if not state.polls:
        return f"{state.phase}: poll 1 in {seconds:.0f} s"
    done = "" if state.percent is None else f" {state.percent:.0f} %"
    said = f"no useful answer, {state.trouble}" if state.trouble else f"{state.phase}{done}"
    return line(f"poll {state.polls}: {said[:120]}; next in {seconds:.0f} s")


def assets(count: int) -> str:
    """So many assets."""
    return "1 asset" if count == 1 else f"{count} assets"
