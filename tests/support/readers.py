"""Processes that read media for a worker or a test."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def readers(program: str, of: int | None = None) -> list[int]:
    """Their ids: of what fork servers of the process, this one unless told, have forked to run `program`."""
    return [
        pid
        for server in _children(str(of or "self"))
        if program in Path(f"/proc/{server}/cmdline").read_text()
        for pid in _children(str(server))
    ]


def fork_server(reader: int) -> int:
    """That of a reader."""
    return int(_stat(reader)[1])


def runs(pid: int) -> bool:
    """Whether the process is there, and not only its end to be noticed by its parent."""
    try:
        return _stat(pid)[0] != "Z"
    except FileNotFoundError:
        return False


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _children(pid: str) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            yield from (int(child) for child in (task / "children").read_text().split())
