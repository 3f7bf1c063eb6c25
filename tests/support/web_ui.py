"""The Temporal Web UI, as somebody reads it in a browser."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from playwright.async_api import Error, Page

from tests.support.runs import Handle

_PATIENCE = 60.0
"""Seconds, for pages that ask a worker."""


class WebUI:
    """One page of the Web UI at a time."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._namespace = f"{url}/namespaces/default"

    async def open(self, handle: Handle, tab: str, *texts: str) -> str:
        """Open a tab of a run, such as `timeline` or `user-metadata`, and wait for the texts; all that stands there."""
        run_id = (await handle.describe()).run_id
        await self.page.goto(f"{self._namespace}/workflows/{quote(handle.id, safe='')}/{run_id}/{tab}")
        return await self._shows(texts)

    async def runs(self, query: str, *texts: str) -> str:
        """Open the list of the runs that a visibility query finds, and wait for the texts; all that stands there."""
        await self.page.goto(f"{self._namespace}/workflows?query={quote(query, safe='')}")
        return await self._shows(texts)

    async def code(self) -> list[str]:
        """What can be copied from the page."""
        blocks = [await frame.locator("pre code").all_text_contents() for frame in self.page.frames]
        return [block for found in blocks for block in found]

    async def _shows(self, texts: Sequence[str]) -> str:
        """The Web UI renders Markdown in frames."""
        end = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                shown = " ".join([await frame.locator("body").inner_text() for frame in self.page.frames])
                # The timeline is a picture, whose words are no text of the page.
                shown += " ".join(await self.page.locator("svg text").all_text_contents())
            except Error:
                shown = ""  # a frame has gone meanwhile
            shown = " ".join(shown.split())
            missing = [text for text in texts if text not in shown]
            if not missing:
                return shown
            assert asyncio.get_running_loop().time() < end, f"{missing} not in: {shown}"
            await asyncio.sleep(0.1)
