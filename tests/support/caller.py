"""A third party's client of the provider's API, for tests of the emulator."""

import asyncio
from typing import Any

import httpx

from emulator.server import EmulatorServer
from manxue.vocabulary import ASSET_STATUS_PATH, ASSET_UPLOAD_PATH, CREATE_PATH, RESULT_PATH
from tests.support.patience import PATIENCE

KEY = "sk-emulator-test"
MODEL = "sd2_manxue_fast_720p"
URL = "https://media.example.com/a.png"
BASE = {"model": MODEL, "prompt": "[fail: not rendered]", "duration": 4}
"""An order that is accepted and costs no rendering."""

HEADERS = {"Authorization": f"Bearer {KEY}"}


class Caller:
    """Plain HTTP against an emulator."""

    def __init__(self, emulator: EmulatorServer) -> None:
        self.ledger = emulator.ledger
        self.http = httpx.AsyncClient(base_url=emulator.url, headers=HEADERS, trust_env=False, timeout=20)
        self.open = httpx.AsyncClient(base_url=emulator.url, trust_env=False, timeout=20)
        """Without a key, as a download should be."""
        self.sample = f"{emulator.url}/samples/portrait.png"

    async def close(self) -> None:
        await self.http.aclose()
        await self.open.aclose()

    async def post(self, path: str, body: Any, status: int = 200) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def create(self, **fields: Any) -> str:
        return str((await self.post(CREATE_PATH, {**BASE, **fields}))["id"])

    async def query(self, task_id: str) -> dict[str, Any]:
        answer = await self.http.get(RESULT_PATH.format(id=task_id))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def ended(self, task_id: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while (answer := await self.query(task_id))["status"] in ("queued", "processing"):
                await asyncio.sleep(0.02)
        return answer

    async def upload(self, **lists: list[str]) -> dict[str, Any]:
        answer = await self.post(ASSET_UPLOAD_PATH, lists)
        assert answer["code"] == "0", answer
        data: dict[str, Any] = answer["data"]
        return data

    async def reviewed(self, asset_id: str) -> str:
        async with asyncio.timeout(5):
            while True:
                answer = await self.post(ASSET_STATUS_PATH, {"assetIds": [asset_id]})
                if (state := answer["data"]["items"][0]["status"]) != "Processing":
                    return str(state)
                await asyncio.sleep(0.01)
