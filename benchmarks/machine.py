"""What the figures of a report were measured on, and how processes are measured."""

import os
import platform
import shutil
from pathlib import Path

from deployment import default_build_id

_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE, _STOLEN = 3, 7


class Circumstances:
    """Of a section's run, from now on."""

    def __init__(self) -> None:
        self._load, self._begun = os.getloadavg()[0], _processor_times()

    def told(self) -> str:
        """One sentence for the end of the section."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        spent = [now - before for before, now in zip(self._begun, _processor_times(), strict=True)]
        stolen = spent[_STOLEN] / max(sum(spent) - spent[_IDLE], 1)
        return (
            f"*Measured at {default_build_id()}, with {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
            f"Python {platform.python_version()}; load {self._load:.1f} at the start; other virtual machines took "
            f"{stolen:.0%} of the processor time that was asked for.*"
        )


def _processor_times() -> list[int]:
    """Of all cores together since the machine began, in ticks: user, nice, system, idle, and so on (proc_stat(5))."""
    return [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]


def missing(*programs: str) -> list[str]:
    """Those that are not on PATH."""
    return [program for program in programs if shutil.which(program) is None]


def cpu_seconds(pid: int) -> float:
    """Processor time that the process has used since it began, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_seconds_of_all(pid: int) -> float:
    """The same with its children, theirs, and those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(map(int, fields[11:15])) / _TICKS + sum(cpu_seconds_of_all(int(child)) for child in children)


def idle_seconds() -> float:
    """Processor time that nobody has used since the machine began, of all cores together."""
    return _processor_times()[_IDLE] / _TICKS


def pss_bytes(pid: int) -> int:
    """Proportional set size: pages shared with other processes count in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
