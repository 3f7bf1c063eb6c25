"""Runs benchmarks and writes what they found into `benchmarks/report.md`, each into its own section."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    cost,
    download,
    emulator,
    encryption,
    in_flight,
    leak,
    machine,
    noticing,
    orchestration,
    overdue,
    probing,
    start_stop,
)
from benchmarks.section import Section

BENCHMARKS: dict[str, Callable[[], Section]] = {
    "orchestration": orchestration.run,
    "in_flight": in_flight.run,
    "noticing": noticing.run,
    "cost": cost.run,
    "download": download.run,
    "probing": probing.run,
    "start_stop": start_stop.run,
    "emulator": emulator.run,
    "encryption": encryption.run,
}
"""Name -> what runs it. A section's heading is its name."""
BY_NAME_ONLY: dict[str, Callable[[], Section]] = {
    "in_flight_2000": in_flight.run_2000,
    "in_flight_10000": in_flight.run_10000,
    "overdue": overdue.run,
    "leak": leak.run,
    "download_4g": download.run_large,
}
"""Those that take from ten minutes to hours."""
REPORT = Path(__file__).with_name("report.md")
_NAMES = f"{', '.join(BENCHMARKS)}; and only by name: {', '.join(BY_NAME_ONLY)}"
_TITLE = "# Benchmarks\n\nWritten by `make bench`. Each section ends with what it was measured at, or is older.\n"


def main() -> int:
    """Run those that are named, or all but `BY_NAME_ONLY`. 1 when one of them fell short of what it has to reach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, *BY_NAME_ONLY, []], metavar="NAME", help=_NAMES)
    wanted = parser.parse_args().names or list(BENCHMARKS)
    sections = _written()
    short = []
    for name in wanted:
        print(f"{name} ...", file=sys.stderr)
        begun, circumstances = time.monotonic(), machine.Circumstances()
        section = (BENCHMARKS | BY_NAME_ONLY)[name]()
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        sections[name] = f"{section.text.strip()}\n\n{circumstances.told()}"
        short += section.short
    parts = [_TITLE, *(f"## {name}\n\n{text.strip()}\n" for name, text in sections.items())]
    REPORT.write_text("\n".join(parts))
    print(REPORT.read_text())
    for what in short:
        print(f"fell short: {what}", file=sys.stderr)
    return 1 if short else 0


def _written() -> dict[str, str]:
    """The sections of the last report."""
    if not REPORT.exists():
        return {}
    _, *parts = REPORT.read_text().split("\n## ")
    return {name: text for name, _, text in (part.partition("\n") for part in parts)}


if __name__ == "__main__":
    sys.exit(main())
