"""A real browser for pages that people look at: headless Chromium, which must be on the machine already."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.support.processes import ROOT

UNPACKED = ROOT / ".venv" / "chromium"
"""Where `make browser` puts a Chromium, with the libraries and fonts that it needs."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class NoBrowser(Exception):
    """There is no Chromium."""


def chromium() -> Path:
    """The program: `$CHROMIUM`, else one on the PATH, else the one of `make browser`. Raises NoBrowser."""
    named = os.environ.get("CHROMIUM")
    if named:
        found = shutil.which(named)
    else:
        found = next(filter(None, map(shutil.which, (*_NAMES, str(UNPACKED / "chromium")))), None)
    if found is None:
        where = f"CHROMIUM={named} is no program" if named else "there is no Chromium on the PATH"
        raise NoBrowser(f"{where}: run `make browser`, or install chromium, or name one by CHROMIUM=/path/to/chromium")
    return Path(found)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Running while the block lasts. Raises NoBrowser."""
    program = chromium()
    env: dict[str, str | float | bool] = {**os.environ}
    if program.parent == UNPACKED:
        env |= {"LD_LIBRARY_PATH": str(UNPACKED / "al2023" / "lib"), "FONTCONFIG_FILE": str(UNPACKED / "fonts.conf")}
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, env=env)
        try:
            yield running
        finally:
            await running.close()
