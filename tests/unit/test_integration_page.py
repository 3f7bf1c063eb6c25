"""docs/integration.md says what is so, and shows the code of the examples, which the tests run."""

import json
import re

import pytest

from manxue.failure import FailureType
from starter.contract_schemas import PUBLISHED
from tests.support.contract import said
from tests.support.processes import ROOT
from workflows import batch_contract, contract

PAGE = (ROOT / "docs" / "integration.md").read_text()
_QUOTE = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", re.S | re.M)
"""The name of a file, and the lines of it that the page shows."""


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_name_that_callers_rely_on_is_there() -> None:
    names = [
        *(contract.GENERATE_VIDEO, batch_contract.GENERATE_BATCH, contract.TASK_QUEUE, contract.PROGRESS_QUERY),
        *(contract.POLL_NOW_UPDATE, contract.RESOLVE_SUBMISSION_UPDATE, *contract.SEARCH_ATTRIBUTES, *contract.Phase),
    ]
    assert [name for name in names if f"`{name}`" not in section("The contract")] == []
    assert [name for name in PUBLISHED if f"(../schema/v1/{name}.json)" not in section("The contract")] == []


def test_every_failure_type_has_a_row_that_says_whether_and_how_to_go_on() -> None:
    rows = re.findall(r"^\| `([A-Z]\w+)` \|[^|]+\|[^|]+\|[^|]+\|$", section("When it fails"), re.MULTILINE)
    assert sorted(rows) == sorted(FailureType)


@pytest.mark.parametrize(("name", "field"), [("result", "video"), ("progress", "phase")])
def test_the_examples_are_what_the_schemas_say(name: str, field: str) -> None:
    examples = map(json.loads, re.findall(r"```json\n(.*?)```", section("The contract"), re.DOTALL))
    (example,) = [example for example in examples if field in example]
    said(name, example)


def test_its_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", line[3:]).lower().replace(" ", "-") for line in PAGE.splitlines() if line[:3] == "## "
    }
    for target in re.findall(r"\]\((?!https)([^)]+)\)", PAGE):
        path, _, anchor = target.partition("#")
        assert (ROOT / "docs" / path).exists(), target
        assert path or anchor in anchors, target


def lines(text: str) -> str:
    """Without indentation, which the page cuts."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def test_the_code_on_the_page_is_the_code_of_the_examples() -> None:
    quotes = _QUOTE.findall(PAGE)
    for file, code in quotes:
        assert lines(code) in lines((ROOT / file).read_text()), f"{file} has no longer:\n{code}"
    shown = {file.split("/")[1] for file, _ in quotes if file.startswith("examples/")}
    assert shown >= {"cli", "curl", "typescript", "python", "go", "java"}
