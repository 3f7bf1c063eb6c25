"""`make ui-shots`: a server, a worker and four runs on free ports, and a browser that looks at them."""

import asyncio
import sys
import tempfile
from pathlib import Path

from PIL import Image
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.support.browser import NoBrowser, browser
from tests.support.four_runs import four_runs
from tests.support.processes import API_KEY, ROOT, DevServer, worker_process
from tests.support.provider import Provider
from tests.support.runs import Runs
from tests.support.web_ui import WebUI

_IMAGES = ROOT / "docs" / "images"
_WIDTH = 1400
_COLOURS = 128
"""Of a picture of text, which is a third as large with so few."""


async def _shots(server: DevServer, provider: Provider) -> None:
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    four = await four_runs(Runs(client, "manxue"), provider, "cinematic")
    pages = {
        "running": (four.running, "user-metadata", 860, ["Rendering", "Request"]),
        "running-timeline": (four.running, "timeline", 960, ["polls 2 to 22"]),
        "held": (four.held, "user-metadata", 1330, ["Needs decision", "--abandon"]),
        "failed": (four.failed, "user-metadata", 860, ["What to do", "Request"]),
        "finished": (four.finished, "user-metadata", 1000, ["Completed", "passed, as"]),
        "finished-timeline": (four.finished, "timeline", 1150, ["download and check"]),
    }
    async with browser() as running:
        page = await running.new_page()
        ui = WebUI(page, server.ui_url)

        async def shoot(name: str) -> None:
            await page.wait_for_timeout(1000)  # for icons and what moves
            path = _IMAGES / f"web-ui-{name}.png"
            await page.screenshot(path=path)
            with Image.open(path) as image:
                image.convert("RGB").quantize(_COLOURS).save(path, optimize=True)
            print(path.relative_to(ROOT), file=sys.stderr)

        for name, (handle, tab, height, texts) in pages.items():
            await page.set_viewport_size({"width": _WIDTH, "height": height})
            await ui.open(handle, tab, *texts)
            await shoot(name)
        await page.set_viewport_size({"width": _WIDTH, "height": 420})
        await ui.runs('ManxuePhase = "needs_decision"', four.held.id)
        await shoot("list")


def main() -> int:
    """1 when there is no browser."""
    _IMAGES.mkdir(exist_ok=True)
    provider = Provider()
    provider.start()
    with tempfile.TemporaryDirectory(prefix="films-") as name:
        folder = Path(name)
        server = DevServer(folder)
        env = {
            "TEMPORAL_ADDRESS": server.address,
            "MANXUE_API_KEY": API_KEY,
            "MANXUE_BASE_URL": provider.url,
            "MANXUE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MANXUE_OUTPUT": str(folder / "videos"),
        }
        try:
            with worker_process(folder, env):
                asyncio.run(_shots(server, provider))
        except NoBrowser as missing:
            print(missing, file=sys.stderr)
            return 1
        finally:
            provider.stop()
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
