"""`make typescript`: Node.js and the npm packages of examples/typescript below .venv, from package indexes alone."""

import shutil
import subprocess
import sys

from tests.support.node import NpmFailed, ensure_node, npm
from tests.support.processes import ROOT
from tests.support.typescript import PACKAGES, NoPackages, packages

_SOURCE = ROOT / "examples" / "typescript"


def install() -> None:
    """Into PACKAGES, whole or not at all. Raises CalledProcessError, NpmFailed, OSError."""
    ensure_node()
    fresh = PACKAGES.with_name("typescript-new")
    for folder in (fresh, PACKAGES):
        shutil.rmtree(folder, ignore_errors=True)
    fresh.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_SOURCE / name, fresh)
    npm("ci", "--ignore-scripts", "--no-fund", "--no-audit", folder=fresh)
    fresh.rename(PACKAGES)


def main() -> int:
    """0 also where the indexes give nothing: the tests of the example then fail by themselves and say why."""
    try:
        packages()
    except NoPackages as missing:
        try:
            install()
        except (OSError, subprocess.CalledProcessError, NpmFailed) as error:
            print(f"typescript: {missing} (the package indexes gave none: {error})", file=sys.stderr)
            return 0
    print(f"typescript: {packages()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
