"""Which build of the worker this is, and whether Temporal is to keep its runs apart from those of other builds.

docs/upgrading.md is for who changes workers while renders run.
"""

import subprocess
from functools import cache
from pathlib import Path

from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from manxue import __version__
from settings import WorkerSettings

UNVERSIONED = "manxue-unversioned"
"""Under which name workers tell their build where none is set. Temporal keeps it with each workflow task, so that code
can ask which builds did one: those that called it “manxue” took a step that is left out now (workflows/waiting.py).
"""


def deployment_of(settings: WorkerSettings) -> WorkerDeploymentConfig:
    """For a worker's `deployment_config`. Versioned where a deployment is named; its build is told in any case."""
    name = settings.deployment_name or UNVERSIONED
    version = WorkerDeploymentVersion(deployment_name=name, build_id=settings.build_id or default_build_id())
    return WorkerDeploymentConfig(version=version, use_worker_versioning=settings.deployment_name is not None)


@cache
def default_build_id() -> str:
    """The version of the package, with the commit where the code is a git checkout, as `0.1.0-ad225bd8f0e1`."""
    root = Path(__file__).parent
    if not (root / ".git").exists():
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - git, with words of ours
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}-{told.stdout.strip()}"
