"""Can files be written where videos and local files go. Of a directory, only this machine's view can be told."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from media.output import OutputInvalid, open_output
from media.storage import OutputUnavailable
from starter.diagnosis import Check, Finding, failed, ok, unknown
from starter.local_state import LocalState

_OUTPUT, _STAGING = "output", "staging"


def storage_checks(output: str, staging: str | None, stack: LocalState | None) -> list[Check]:
    """Writing a small marker is the only proof that a bucket can be written; workers leave the same one."""

    async def look_at_output() -> Sequence[Finding]:
        return [await _writable(_OUTPUT, "MANXUE_OUTPUT", output)]

    async def look_at_staging() -> Sequence[Finding]:
        if staging:
            return [await _writable(_STAGING, "MANXUE_STAGING", staging)]
        if stack and stack.staging_folder:
            return [ok(_STAGING, f"the local stack's: {stack.staging_folder}")]
        return [unknown(_STAGING, "MANXUE_STAGING is not set: media must be URLs, not files of this machine")]

    return [Check(_OUTPUT, look_at_output), Check(_STAGING, look_at_staging)]


async def _writable(name: str, variable: str, reference: str) -> Finding:
    try:
        if missing := await asyncio.to_thread(_missing_directory, reference):
            return await asyncio.to_thread(_to_be_made, name, variable, missing)
        await open_output(reference).prepare()
    except OutputInvalid as error:
        return failed(name, f"{variable} {error}")
    except OutputUnavailable as error:
        return failed(name, f"{error}; mend it, or set {variable}")
    return ok(name, f"{reference} can be written from here")


def _missing_directory(reference: str) -> Path | None:
    """A directory of this machine that is not there yet: a look must not make it."""
    parts = urlsplit(reference)
    if "://" in reference and parts.scheme != "file":
        return None
    path = Path(unquote(parts.path) if parts.scheme == "file" else reference).resolve()
    return None if path.exists() else path


def _to_be_made(name: str, variable: str, path: Path) -> Finding:
    above = next(parent for parent in path.parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        return failed(name, f"{path} cannot be made, since {above} cannot be written: {error.strerror}; set {variable}")
    return ok(name, f"{path} can be made here")
