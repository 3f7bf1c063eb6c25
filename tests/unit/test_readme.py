"""The README says what is so."""

import re

from manxue.failure import FailureType
from settings import WorkerSettings
from tests.support.processes import ROOT
from workflows.contract import SEARCH_ATTRIBUTES, GenerateVideoInput

README = (ROOT / "README.md").read_text()


def first_cells(heading: str) -> set[str]:
    """The names in the first column of the table under that heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}


def test_every_setting_is_named() -> None:
    assert first_cells("Settings") == {f"MANXUE_{name.upper()}" for name in WorkerSettings.model_fields}


def test_every_failure_type_is_explained() -> None:
    assert first_cells("When it fails") == set(FailureType)


def test_every_field_of_the_input_is_explained() -> None:
    assert first_cells("From any language") == set(GenerateVideoInput.model_fields)


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < 150
    for target in re.findall(r"\]\((?!https)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    assert all(name in README for name in SEARCH_ATTRIBUTES)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
