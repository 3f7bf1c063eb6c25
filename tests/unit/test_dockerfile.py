"""The Dockerfile, looked at; tests/system/test_image.py runs what it would hold."""

import re
import subprocess

from tests.support.deployment import PINNED, copied, dockerfile
from tests.support.processes import BIN, ROOT

NOT_SHIPPED = {"tests", "benchmarks"}
"""Packages that no worker imports."""


def test_the_linter_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_holds_everything_that_the_worker_imports_and_the_context_lets_it_through() -> None:
    for path in ROOT.iterdir():
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists() and path.name not in NOT_SHIPPED):
            assert path.name in copied(), path.name
    let_through = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M))
    assert let_through == copied()


def test_both_stages_are_made_of_one_pinned_base() -> None:
    bases = {rest.split()[0] for word, rest in dockerfile() if word == "FROM"}
    assert len(bases) == 1
    assert all(PINNED.search(base) for base in bases)


def test_packages_come_from_the_lock_by_hash_and_are_never_built() -> None:
    (install,) = (rest for word, rest in dockerfile() if word == "RUN" and "--require-hashes" in rest)
    assert {"pip", "--only-binary", "requirements.lock"} <= set(re.split(r"[ /]", install))


def test_the_process_is_the_worker_itself_and_not_root() -> None:
    last = dict(dockerfile())
    assert last["ENTRYPOINT"].startswith("[")  # no shell between it and SIGTERM
    assert last["CMD"] == '["worker"]'
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
