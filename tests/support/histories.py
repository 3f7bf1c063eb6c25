"""Recorded histories as files: compact JSON, compressed where it is long."""

import gzip
import json
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from tests.support.processes import ROOT

HISTORIES = ROOT / "tests" / "histories"
"""One directory for each version that they were recorded from."""
_LONG = 20_000
"""Bytes."""


def write(path: Path, document: dict[str, Any]) -> None:
    """Write a history with its `workflowId`; `.gz` is added to the name where it is compressed."""
    content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    if len(content) > _LONG:
        path, content = path.with_name(f"{path.name}.gz"), gzip.compress(content, mtime=0)
    path.write_bytes(content)


def text(path: Path) -> str:
    """The JSON of a file."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def read(path: Path) -> WorkflowHistory:
    """The history in a file."""
    document = json.loads(text(path))
    return WorkflowHistory.from_json(document.pop("workflowId"), document)


def recorded() -> list[Path]:
    """Every file of every version."""
    return sorted(path for path in HISTORIES.glob("*/*") if path.name.endswith((".json", ".json.gz")))
