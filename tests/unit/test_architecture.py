"""Imports go one way: worker and starter -> workflows -> activities -> manxue and media -> tls. Nothing points back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

ALLOWED = {
    "manxue": {"tls"},
    "media": {"tls"},
    "activities": {"manxue", "media"},
    "workflows": {"activities", "manxue", "media"},
    "telemetry": {"workflows.contract", "activities.visibility", "manxue.client", "manxue.redact"},
    "emulator": {"manxue.vocabulary"},
    "starter": {
        "workflows",
        "activities.not_found",
        "activities.visibility",
        "manxue",
        "media",
        "emulator",
        "worker",
        "settings",
        "connection",
        "encryption",
        "logs",
        "telemetry",
    },
}
"""Package -> what it may import of ours besides itself. `manxue` and `media` know nothing of each other."""

OURS = {*ALLOWED, "worker", "startup", "settings", "connection", "deployment", "encryption", "logs", "tls"}


def imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return {module for module in modules if module.split(".")[0] in OURS}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_stands_below_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        foreign = {module for module in imported(path) if module.split(".")[0] != package}
        allowed = {module for module in foreign for name in ALLOWED[package] if f"{module}.".startswith(f"{name}.")}
        assert foreign == allowed, f"{path.relative_to(ROOT)} imports {foreign - allowed}"


@pytest.mark.parametrize("contract", ["contract", "nexus_contract"])
def test_only_the_connection_and_the_providers_rules_come_with_the_contract(contract: str) -> None:
    code = f"import sys, workflows.{contract}; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert not {"activities", "media", "temporalio", "httpx", "av", "obstore"} & set(loaded.split())


def test_a_worker_starts_without_what_it_has_no_use_for_which_can_be_imported_later() -> None:
    code = (
        "import gc, sys, worker;"
        "print({'rich', 'click', 'typer', 'pygments', 'av', 'PIL', 'opentelemetry'} & set(sys.modules));"
        "import rich.console, httpx._main; print(gc.isenabled())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert told.split("\n")[:2] == ["set()", "True"]


def test_services_need_nothing_of_ours() -> None:
    files = list((ROOT / "examples").rglob("*.py"))
    assert files
    assert {path.name: imported(path) for path in files} == {path.name: set() for path in files}


@pytest.mark.parametrize("package", ["manxue", "media"])
def test_temporal_is_unknown_below_the_activities(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert "temporalio" not in path.read_text(), path


@pytest.mark.parametrize("program", [{"demux"}, {"examine", "demux", "pictures"}], ids=sorted)
def test_what_reads_hostile_bytes_brings_nothing_else_of_ours_into_its_process(program: set[str]) -> None:
    for path in (ROOT / "media" / f"{name}.py" for name in program | {"confined"}):
        assert imported(path) <= {f"media.{name}" for name in program}, path


def test_modules_stay_small() -> None:
    for package in (*ALLOWED, "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 250, path
