"""What the files of a run are called."""

import hashlib
import re

from temporalio import activity


def video_names(wanted: str | None, task_id: str) -> tuple[str, str]:
    """The video's, and the one for when another file has that."""
    own = _stem(task_id)
    stem = wanted or own
    return f"{stem}.mp4", f"{stem}-{own}.mp4"


def unfinished_name(wanted: str | None, task_id: str) -> str:
    """Of the file that is not whole yet: the same for every attempt of one run, and for no other run."""
    token = hashlib.sha256(f"{activity.info().workflow_id}\0{task_id}".encode()).hexdigest()[:12]
    return f".{wanted or _stem(task_id)}.{token}.part"


def _stem(task_id: str) -> str:
    """The task id as a file name, or a digest of it where it is none: it is the provider's word, not ours."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", task_id):
        return task_id
    return f"task-{hashlib.sha256(task_id.encode()).hexdigest()[:16]}"
