"""What was asked for, as the Temporal Web UI shows it beside a run: Markdown without secrets."""

from manxue.checked_request import CheckedRequest
from manxue.redact import redact, redact_json

_LONGEST_SUMMARY = 200
"""Bytes; the server takes 400."""
_LONGEST_CELL = 1000


def summary(request: CheckedRequest) -> str:
    """One line: model, mode, and the beginning of the prompt."""
    words = " ".join(request.prompt.split())
    line = f"{request.model} · {request.mode.replace('_', ' ')} · {redact(words)}"
    whole = line.encode()
    if len(whole) <= _LONGEST_SUMMARY:
        return line
    return whole[:_LONGEST_SUMMARY].decode(errors="ignore").rstrip() + "…"


def details(request: CheckedRequest) -> str:
    """A table of all fields that are sent to the provider."""
    rows = ["| Field | Value |", "|---|---|"]
    for name, value in redact_json(request.body()).items():
        for entry in value if isinstance(value, list) else [value]:
            rows.append(f"| {_cell(name)} | {_cell(entry)} |")
    return "\n".join(rows)


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
