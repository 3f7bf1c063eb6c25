"""What can be the provider's id of a task."""

import re

LONGEST = 200
"""Characters. The ids seen have at most 40."""

_TASK_ID = re.compile(rf"(?!\.{{1,2}}$)[^\s\x00-\x1f\x7f\ud800-\udfff]{{1,{LONGEST}}}")
"""Anything that can be one segment of a URL's path, percent-encoded: `.` and `..` are not."""


def is_task_id(value: object) -> bool:
    """Whether the value can be asked for."""
    return isinstance(value, str) and _TASK_ID.fullmatch(value) is not None
