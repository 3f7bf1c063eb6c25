"""The TypeScript example as its reader builds it, with the packages of `make typescript`."""

import shutil
from pathlib import Path

from tests.support.node import NODE, npm
from tests.support.processes import ROOT

PACKAGES = ROOT / ".venv" / "typescript"
_SOURCE = ROOT / "examples" / "typescript"


class NoPackages(Exception):
    """They are not installed, or not those of the lock file."""


def packages() -> Path:
    """Where the packages of the lock file are. Raises NoPackages."""
    installed = PACKAGES / "package-lock.json"
    if not NODE.exists() or not installed.exists():
        raise NoPackages("the packages of examples/typescript are not installed: run `make typescript`")
    if installed.read_bytes() != (_SOURCE / "package-lock.json").read_bytes():
        raise NoPackages("the packages of examples/typescript are out of date: run `make typescript`")
    return PACKAGES / "node_modules"


def build(folder: Path) -> Path:
    """Generate the types and compile, strictly, in a copy in `folder`. Where the programs are.

    Raises NoPackages, NpmFailed.
    """
    copy = folder / "examples" / "typescript"
    ignored = shutil.ignore_patterns("node_modules", "dist", "contract")
    shutil.copytree(_SOURCE, copy, ignore=ignored)
    (copy / "node_modules").symlink_to(packages())
    (folder / "schema").symlink_to(ROOT / "schema")
    npm("run", "build", folder=copy)
    return copy / "dist"
