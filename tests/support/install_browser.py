"""`make browser`: a headless Chromium below .venv, from package indexes alone, for machines that have none.

The npm package `@sparticuz/chromium` carries one for Linux on x86-64, with its libraries and a font;
tests/support/chromium pins it by hash.
"""

import os
import platform
import shutil
import subprocess
import sys

from tests.support.browser import UNPACKED, NoBrowser, chromium
from tests.support.node import NODE, NpmFailed, ensure_node, npm
from tests.support.processes import ROOT

_PINS = ROOT / "tests" / "support" / "chromium"
_UNPACK = """
import { readdirSync } from "node:fs";
import { inflate } from "@sparticuz/chromium";
const packed = "node_modules/@sparticuz/chromium/bin";
await Promise.all(readdirSync(packed).map((name) => inflate(`${packed}/${name}`)));
"""
"""It unpacks into the directory for temporary files."""
_FONTS = "<fontconfig><dir>{fonts}</dir><cachedir>{fonts}/cache</cachedir></fontconfig>"


def install() -> None:
    """Into UNPACKED, whole or not at all. Raises CalledProcessError, NpmFailed, OSError."""
    workshop, fresh = UNPACKED.with_name("chromium-packages"), UNPACKED.with_name("chromium-new")
    for folder in (workshop, fresh, UNPACKED):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_PINS, workshop)
    fresh.mkdir()
    ensure_node()
    npm("ci", "--ignore-scripts", folder=workshop)
    (workshop / "unpack.mjs").write_text(_UNPACK)
    subprocess.run([NODE, "unpack.mjs"], cwd=workshop, env={**os.environ, "TMPDIR": str(fresh)}, check=True)
    (fresh / "fonts.conf").write_text(_FONTS.format(fonts=UNPACKED / "fonts"))
    fresh.rename(UNPACKED)
    shutil.rmtree(workshop)


def main() -> int:
    """0 also where there is no such Chromium: the tests in the browser then fail by themselves and say why."""
    try:
        print(f"browser: {chromium()}")
    except NoBrowser as missing:
        if "CHROMIUM" in os.environ or (sys.platform, platform.machine()) != ("linux", "x86_64"):
            print(f"browser: {missing}", file=sys.stderr)
            return 0
        try:
            install()
        except (OSError, subprocess.CalledProcessError, NpmFailed) as error:
            print(f"browser: {missing} (the package indexes gave none: {error})", file=sys.stderr)
            return 0
        print(f"browser: {chromium()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
