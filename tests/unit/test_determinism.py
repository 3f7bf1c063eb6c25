"""Workers run without the SDK's sandbox; the linter refuses what it would watch for. workflows/runner.py."""

import importlib.util
import json
import subprocess
from collections.abc import Iterator

from temporalio.worker.workflow_sandbox import SandboxMatcher, SandboxRestrictions

from tests.support.processes import BIN, ROOT


def forbidden(matcher: SandboxMatcher, *path: str) -> Iterator[str]:
    """Dotted names of what the sandbox does not let a workflow use."""
    for name in {*matcher.use, *matcher.access} or ({"*"} if matcher.match_self else set()):
        yield ".".join((*path, name.replace("*", "anything")))
    for name, child in matcher.children.items():
        if name == "__call__":
            yield ".".join(path)
        elif name != "__builtins__":  # `open` and the like are refused everywhere, or by the eye
            yield from forbidden(child, *path, name)


def used(name: str) -> tuple[str, str]:
    """Two ways to use it."""
    parts = name.split(".")
    module = f"{parts[0]}.{parts[1]}" if is_module(f"{parts[0]}.{parts[1]}") else parts[0]
    first, *rest = name.removeprefix(f"{module}.").split(".")
    return f"import {module}; {name}()", f"from {module} import {first}; {'.'.join([first, *rest])}()"


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def refused_lines(lines: list[str], file: str) -> set[str]:
    command = [str(BIN / "ruff"), "check", "--select", "TID251", "--output-format", "json", "--stdin-filename", file]
    found = subprocess.run(
        [*command, "-"], input="\n".join(lines), capture_output=True, text=True, cwd=ROOT, check=False
    )
    return {lines[place["location"]["row"] - 1] for place in json.loads(found.stdout)}


def test_the_linter_refuses_in_workflows_what_the_sandbox_forbids() -> None:
    names = sorted(forbidden(SandboxRestrictions.invalid_module_members_default))
    assert {"time.time", "datetime.datetime.now", "random.random", "os.name", "uuid.uuid4"} <= set(names)
    lines = [line for name in names for line in used(name)]
    assert set(lines) - refused_lines(lines, "workflows/any.py") == set()
    assert refused_lines(lines, "activities/any.py") == set()
