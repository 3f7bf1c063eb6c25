"""What was asked for, as the Temporal Web UI shows it beside a run: Markdown without secrets.

For whoever starts runs: `start_workflow(…, static_summary=static_summary(request), static_details=static_details(…))`.
"""

import json
from typing import Any

from manxue.checked_request import CheckedRequest
from manxue.markdown import code, table, text
from manxue.redact import capped, redact, redact_json

_LONGEST_SUMMARY = 200
"""Bytes; escaped they are at most the 400 that Temporal promises to keep."""
_LONGEST_NAME = 120
_LONGEST_CELL = 1000
"""Characters."""
_LONGEST_TABLE = 12_000
"""Bytes; Temporal promises to keep 20,000."""


def summary(request: CheckedRequest) -> str:
    """One line of plain text: model, mode, and the beginning of the prompt."""
    words = redact(" ".join(request.prompt.split()))
    line = f"{request.model} · {request.mode.replace('_', ' ')} · {words}"
    whole = line.encode()
    if len(whole) <= _LONGEST_SUMMARY:
        return line
    return whole[: _LONGEST_SUMMARY - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def static_summary(request: CheckedRequest) -> str:
    """The same as Markdown."""
    return text(summary(request))


def static_details(request: CheckedRequest) -> str:
    """A table of all fields that are sent to the provider, redacted."""
    rows = []
    for name, value in request.body().items():
        for entry in value if isinstance(value, list) else [value]:
            rows.append([code(capped(name, _LONGEST_NAME)), _cell(entry)])
    return "\n".join(_fitting(table(["Field", "Value"], rows)))


def _cell(value: Any) -> str:
    shown = redact(value) if isinstance(value, str) else json.dumps(redact_json(value), ensure_ascii=False, default=str)
    return text(capped(shown, _LONGEST_CELL))


def _fitting(lines: list[str]) -> list[str]:
    size = 0
    for number, line in enumerate(lines):
        size += len(line.encode()) + 1
        if size > _LONGEST_TABLE:
            return [*lines[:number], "", f"… and {len(lines) - number} more"]
    return lines
