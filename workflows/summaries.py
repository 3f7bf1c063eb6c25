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
    return line(f"poll {state.polls}: {_said(state)}; next in {seconds:.0f} s")


def polls(state: RunState, first: int) -> str:
    """Of a poll whose first question is the run's `first` one, and what the provider said before it."""
    last = first + len(state.polls_ahead)
    which = f"poll {first}" if first == last else f"polls {first} to {last}"
    so_far = f"{_said(state)}; " if state.polls and state.poll_begins else ""
    begins = f", from {state.poll_begins:%H:%M:%S} UTC" if state.poll_begins else ""
    end = "" if first == last else ", until there is news"
    return line(f"{so_far}{which} of task {state.task_id}{begins}{end}")


def _said(state: RunState) -> str:
    done = "" if state.percent is None else f" {state.percent:.0f} %"
    said = f"no useful answer, {state.trouble}" if state.trouble else f"{state.phase}{done}"
    return said[:120]


def assets(count: int) -> str:
    """So many assets."""
    return "1 asset" if count == 1 else f"{count} assets"
