"""The JSON file beside each video: what was asked, what came, and how it went."""

import json
from typing import Any

from manxue.checked_request import CheckedRequest
from manxue.redact import redact_json

_VERSION = 1


def manifest(
    *,
    workflow: dict[str, Any],
    task_id: str,
    request: CheckedRequest,
    provider: dict[str, Any],
    video: dict[str, Any],
    preview: dict[str, Any] | None,
    story: dict[str, Any],
) -> str:
    """The manifest's text. URLs lose their query strings, since the file lies wherever the video goes."""
    content = {
        "manifest_version": _VERSION,
        "workflow": workflow,
        "task_id": task_id,
        "mode": request.mode,
        "request": request.body(),
        "provider": provider,
        "video": video,
        "preview": preview,
        **story,
    }
    return json.dumps(redact_json(content), ensure_ascii=False, indent=2) + "\n"
