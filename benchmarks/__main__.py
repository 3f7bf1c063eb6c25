"""Runs benchmarks and writes what they found into `benchmarks/report.md`, each into its own section."""

import argparse
import sys
from pathlib import Path

from benchmarks import (
    cost,
    download,
    emulator,
    encryption,
    machine,
    memory,
    noticing,
    orchestration,
    probing,
    start_stop,
)
from benchmarks.section import Section

BENCHMARKS = {
    "noticing": noticing.run,
    "encryption": encryption.run,
    "memory": memory.run,
    "download": download.run,
    "orchestration": orchestration.run,
    "cost": cost.run,
    "probing": probing.run,
    "start_stop": start_stop.run,
    "emulator": emulator.run,
}
"""Name -> what runs it. A section's heading is its name."""
ON_DEMAND = {"download-4g": download.run_large}
"""Only where it is named: 20 GiB of disk and ten minutes."""
_ALL = BENCHMARKS | ON_DEMAND
REPORT = Path(__file__).with_name("report.md")
_TITLE = "# Benchmarks\n\nWritten by `make bench`.\n"


def main() -> int:
    """Run those that are named, or all. 1 when one of them fell short of what it has to reach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*_ALL, []], metavar="NAME", help=", ".join(_ALL))
    wanted = parser.parse_args().names or list(BENCHMARKS)
    head = f"The last run: {', '.join(wanted)}. {machine.described()}"
    sections = _written()
    short = []
    for name in wanted:
        section: Section = _ALL[name]()
        sections[name] = section.text
        short += section.short
    parts = [_TITLE + f"\n{head}\n", *(f"## {name}\n\n{text.strip()}\n" for name, text in sections.items())]
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
