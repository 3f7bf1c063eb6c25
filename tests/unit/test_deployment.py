"""The container files are right as data; no container engine is needed to see that."""

import re
from typing import Any

import pytest
import yaml

from settings import WorkerSettings
from tests.support.processes import ROOT

NOT_SHIPPED = {"tests", "benchmarks"}
"""Packages that no worker imports."""


@pytest.fixture
def compose() -> dict[str, Any]:
    """The parsed compose file."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def test_every_variable_of_the_worker_is_a_setting_that_exists(compose: dict[str, Any]) -> None:
    known = {f"MANXUE_{name.upper()}" for name in WorkerSettings.model_fields}
    given = {name for name in compose["services"]["worker"]["environment"] if name.startswith("MANXUE_")}
    assert given <= known


def test_the_container_outlives_the_grace_of_a_create_call(compose: dict[str, Any]) -> None:
    grace = float(compose["services"]["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > WorkerSettings.model_fields["shutdown_grace"].default


def test_named_volumes_and_dependencies_are_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    foreign = [service["image"] for service in compose["services"].values() if "build" not in service]
    assert foreign
    assert all(re.search(r":\d", image) for image in foreign)


def test_the_image_holds_everything_that_the_worker_imports() -> None:
    copied = set(re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.M))
    names = {name for line in copied for name in line.split()}
    for path in ROOT.iterdir():
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists() and path.name not in NOT_SHIPPED):
            assert path.name in names, path.name


def test_no_download_address_stands_in_the_locks() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text
