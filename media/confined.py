"""Runs a program of ours that reads somebody else's bytes, in a process of its own: `confined.py PROGRAM ARGUMENT...`.

A process, because 700 bytes of MP4 can make FFmpeg fill 2.8 GB for one track, and no thread in it can be stopped. This
one has limits of memory and processor time, can open nothing, and knows no secret. A program is a module with `MEMORY`
in bytes, `SECONDS` of processor time and `main(arguments)`; whatever it needs, it imports before the limits hold, and
it has only its standard streams. `C` on standard output says that it begins.
"""

import importlib
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path


def _confine(memory: int, seconds: int) -> None:
    """From here on: so much more memory, so much processor time, no file or socket besides the three."""
    if sys.platform == "linux":  # elsewhere the limit means nothing
        with Path("/proc/self/statm").open(encoding="ascii") as statm:
            most = int(statm.read().split()[0]) * resource.getpagesize() + memory
        _limit(resource.RLIMIT_AS, most, most)
        with suppress(OSError):  # when memory runs out all the same, this process is to go and not the worker
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    _limit(resource.RLIMIT_CORE, 0, 0)
    # A second between them: the first ends the process by SIGXCPU, which tells it from one that was killed.
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _limit(resource.RLIMIT_NOFILE, 3, 3)


def _limit(kind: int, soft: int, hard: int) -> None:
    """As far as whoever runs the worker has not set a lower limit, which cannot be raised."""
    given = resource.getrlimit(kind)[1]
    soft, hard = (one if given == resource.RLIM_INFINITY else min(one, given) for one in (soft, hard))
    resource.setrlimit(kind, (soft, hard))


def main() -> None:
    """Import the program, confine the process, run the program."""
    sys.path.append(str(Path(__file__).parents[1]))  # the last place, so that nothing of ours hides another module
    program = importlib.import_module(sys.argv[1])
    _confine(program.MEMORY, program.SECONDS)
    os.write(1, b"C")
    program.main(sys.argv[2:])


if __name__ == "__main__":
    main()
