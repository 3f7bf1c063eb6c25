"""One soak, from an empty folder to its verdict."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from tests.soak.generations import Generation, run
from tests.soak.scene import Scene, scene
from tests.soak.verdict import Verdict, judge
from tests.support.secrets import leaks


@dataclass(frozen=True)
class Options:
    """How long and how hard."""

    runs: int
    kills: int
    """At most so many."""
    every: float
    """Seconds between kills, about."""
    minutes: float
    """After which what is not finished counts as stuck."""
    seed: int
    workers: int = 2
    at_once: int = 30
    """Runs that are open at the same time."""


async def soak(options: Options, folder: Path, say: Callable[[str], None] = lambda line: None) -> Verdict:
    """Run it in `folder`."""
    async with scene(folder, options.seed, options.workers) as running:
        client = await _connected(running)
        generations = [Generation(n, f"soak {options.seed}, generation {n}") for n in range(options.runs)]
        chance = random.Random(options.seed)
        over = asyncio.Event()
        killing = asyncio.create_task(running.kill_at_random(chance, options.every, options.kills, over))
        reviving = asyncio.create_task(_keep_alive(running, generations, say))
        places = asyncio.Semaphore(options.at_once)

        async def in_its_turn(generation: Generation) -> None:
            async with places:
                await run(client, generation, running.emulator.url, running.emulator.ledger)

        try:
            async with asyncio.timeout(options.minutes * 60):
                await asyncio.gather(*map(in_its_turn, generations))
        except TimeoutError:
            pass  # those without an end are stuck
        over.set()
        await killing
        reviving.cancel()
        verdict = judge(generations, running.emulator.ledger, running.kills)
        verdict.breaches += [f"a secret is in {place}" for place in await leaks(running.server.address, folder)]
        return verdict


async def _connected(running: Scene) -> Client:
    while True:
        try:
            return await Client.connect(running.server.address)
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.2)


async def _keep_alive(running: Scene, generations: list[Generation], say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(5)
        running.revive()
        ended = sum(generation.ended != "stuck" for generation in generations)
        kills = running.kills.total()
        say(f"{time.monotonic() - began:5.0f} s: {ended} of {len(generations)} ended, {kills} kills")
