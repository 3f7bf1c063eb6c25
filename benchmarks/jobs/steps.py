"""The HTTP calls of the job, and nothing else: what every implementation does in its steps."""

import os
from pathlib import Path
from typing import Any

import httpx

URL, KEY, FOLDER, ENGINE = (os.environ.get(f"JOB_{name}", "") for name in ("URL", "KEY", "FOLDER", "ENGINE"))
"""The provider, its key, where files go, and the address of what keeps the job."""
PAUSE = 1.0
"""Seconds before each poll."""
CREATE, RESULT = "/v1/sd2_manxue/videos", "/v1/result/"
HEADERS = {"Authorization": f"Bearer {KEY}"}
"""Of calls to the provider's API; its files are fetched without."""


def options() -> dict[str, Any]:
    """Of an httpx client, which serves the whole process."""
    return {"base_url": URL, "timeout": 20.0, "trust_env": False}


class Steps:
    """One client, and the calls of a job."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(**options())

    async def create(self, request: dict[str, Any]) -> str:
        """The task id."""
        answer = await self._http.post(CREATE, json=request, headers=HEADERS)
        return str(answer.raise_for_status().json()["id"])

    async def query(self, task_id: str) -> dict[str, Any]:
        """How the task is."""
        answer = await self._http.get(RESULT + task_id, headers=HEADERS)
        status: dict[str, Any] = answer.raise_for_status().json()
        return status

    async def fetch(self, task_id: str) -> int:
        """Ask for the URL, since it expires, and write the file; its size. Nothing is checked."""
        url = (await self.query(task_id))["video_url"]
        size = 0
        with Path(FOLDER, f"{task_id}.mp4").open("wb") as file:  # noqa: ASYNC230 - as such scripts do
            async with self._http.stream("GET", url) as answer:
                async for block in answer.raise_for_status().aiter_bytes():
                    size += file.write(block)
        return size
