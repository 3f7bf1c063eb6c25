"""A process that downloads as a worker does, and measures itself meanwhile: `python -m benchmarks.downloading`."""

import asyncio
import ipaddress
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.machine import pss_bytes
from media.download import download
from media.fetch import Fetcher
from media.guard import AddressGuard
from media.partial_file import PartialFile
from media.verify import Expected, Verifier

TICK = 0.005
_POLL_EVERY = 0.05
_IDLE = "idle"


async def _tick(gaps: list[float]) -> None:
    """How much longer than asked for each sleep takes: the event loop was busy, or the system gave it no processor."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(TICK)
        gaps.append(time.perf_counter() - begun - TICK)


async def _poll(url: str, took: list[float]) -> None:
    """What the polls of other runs are for the event loop: a small GET each time."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        while True:
            begun = time.perf_counter()
            await http.get(url)
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(_POLL_EVERY)


async def _watch(most: list[int]) -> None:
    while True:
        most.append(await asyncio.to_thread(pss_bytes, os.getpid()))
        await asyncio.sleep(0.1)


async def _fetch(fetcher: Fetcher, url: str, path: Path, check: bool) -> dict[str, float | str]:
    part = PartialFile(path).open()
    begun = time.perf_counter()
    await download(fetcher, url, part)
    sha256 = await asyncio.to_thread(part.sync)
    seconds = time.perf_counter() - begun
    if check:
        await Verifier().verify(path, Expected("", None, ()))
    checked = time.perf_counter() - begun
    part.discard()
    part.close()
    return {"seconds": seconds, "checked": checked, "sha256": sha256}


async def main(url: str, small: str, path: str, check: str) -> dict[str, float | str]:
    """Download `url`, or say so and be idle until standard input ends; poll `small` meanwhile."""
    fetcher = Fetcher(AddressGuard([ipaddress.ip_network("127.0.0.1/32")]))  # a worker has it from its start
    gaps: list[float] = []
    took: list[float] = []
    sizes: list[int] = []
    beside = [asyncio.create_task(work) for work in (_tick(gaps), _poll(small, took), _watch(sizes))]
    while len(took) < 5 or len(sizes) < 5:  # noqa: ASYNC110 - those who measure need no event
        await asyncio.sleep(0.1)
    before = max(sizes)
    for figures in (gaps, took, sizes):
        figures.clear()
    if url == _IDLE:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        told: dict[str, float | str] = {}
    else:
        async with fetcher:
            told = await _fetch(fetcher, url, Path(path), bool(check))
    for task in beside:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return told | {"grown": max(sizes, default=before) - before, "gap": max(gaps), "poll": sorted(took)[len(took) // 2]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
