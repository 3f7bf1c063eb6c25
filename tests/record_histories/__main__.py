"""`python -m tests.record_histories --version 0.1.0`: plays every scene, and writes what the server has of it."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import tests.record_histories
from manxue import __version__
from tests.record_histories import admissions, batches, notifications, renders, reviews
from tests.record_histories.collect import collect
from tests.record_histories.stage import Stage, stage
from tests.support.histories import HISTORIES, write

SCENES = (*admissions.SCENES, *notifications.SCENES, *renders.SCENES, *reviews.SCENES, *batches.SCENES)
"""Each module has one kind; those that take longest come first."""
_AT_ONCE = 12


async def record(folder: Path, to: Path) -> None:
    """Play the scenes in `folder`; the histories are put into `to`, in place of what is there."""
    turns = asyncio.Semaphore(_AT_ONCE)
    async with stage(folder) as on:

        async def play(number: int) -> None:
            async with turns:
                await _play(number, on)

        await asyncio.gather(*map(play, range(len(SCENES))))
        found = await collect(on)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for name, history in found.items():
        write(to / name, history)
    size = sum(path.stat().st_size for path in to.iterdir())
    print(f"{len(found)} histories, {size / 1e3:.0f} kB", file=sys.stderr)


async def _play(number: int, on: Stage) -> None:
    scene, began = SCENES[number], time.monotonic()
    try:
        await asyncio.wait_for(scene(on, scene.__name__.replace("_", "-")), 160)
    except Exception as error:
        raise RuntimeError(f"the scene {scene.__name__} went wrong: {error!r}") from error
    print(f"{scene.__name__}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Parse and record."""
    parser = argparse.ArgumentParser(prog="make histories", description=tests.record_histories.__doc__)
    parser.add_argument("--version", default=__version__, help="name of the directory (default: the package's version)")
    parser.add_argument("--into", type=Path, default=HISTORIES, help="where the directory is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="manxue-histories-") as folder:
        asyncio.run(record(Path(folder), given.into / given.version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
