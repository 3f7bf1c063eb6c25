"""`python -m tests.soak`: exits with 1 when a promise was broken."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import tests.soak
from tests.soak.soak import Options, soak


def main() -> int:
    """Parse, run, print the ledger."""
    parser = argparse.ArgumentParser(prog="make soak", description=tests.soak.__doc__)
    parser.add_argument("--runs", type=int, default=300, help="generations (default: 300)")
    parser.add_argument("--minutes", type=float, default=30, help="patience; what is open then is stuck (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the chaos and of the kills (default: 1)")
    parser.add_argument("--kills", type=int, default=10_000, help="at most so many (default: for as long as it runs)")
    parser.add_argument("--every", type=float, default=4, help="seconds between kills (default: 4)")
    given = parser.parse_args()
    options = Options(given.runs, given.kills, given.every, given.minutes, given.seed)
    with tempfile.TemporaryDirectory(prefix="manxue-soak-") as folder:
        verdict = asyncio.run(soak(options, Path(folder), lambda line: print(line, file=sys.stderr, flush=True)))
    print("\n".join(verdict.lines()))
    return 1 if verdict.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
