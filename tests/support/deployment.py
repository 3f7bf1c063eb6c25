"""The deployment files as data: the compose file as Compose itself reads it, the Dockerfile's last stage."""

import json
import os
import re
import subprocess
from typing import Any

from settings import WorkerSettings
from tests.support.processes import BIN, ROOT

SETTINGS = {f"MANXUE_{name.upper()}" for name in WorkerSettings.model_fields}
PINNED = re.compile(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$")
"""A tag that names one version, and not whatever is the newest of it."""


def compose(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`docker-compose config` with these options; no container engine is needed for it."""
    command = [str(BIN / "docker-compose"), *options, "config", "--format", "json"]
    path = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(command, cwd=ROOT, env=path | environment, capture_output=True, text=True, check=False)


def resolved(*options: str, **environment: str) -> dict[str, Any]:
    """The compose file, checked and with all in it put in by Compose."""
    done = compose(*options, **environment)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: word and the rest, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, rest in (line.split(" ", 1) for line in lines)]


def copied() -> set[str]:
    """What the image takes out of this directory."""
    rests = [rest.split() for word, rest in dockerfile() if word == "COPY" and not rest.startswith("--from")]
    return {name for rest in rests for name in rest[:-1]}


def image_environment() -> dict[str, str]:
    """What the last stage sets, `$PATH` aside."""
    words = " ".join(rest for word, rest in dockerfile() if word == "ENV" and "MANXUE_OUTPUT" in rest).split()
    return dict(word.split("=", 1) for word in words if not word.startswith("PATH="))


def seconds(text: str) -> float:
    """`1m30s` as seconds."""
    length = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * length[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))
