"""Tables on standard output: lined up for people, and in a terminal no wider than it is."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from starter.display import clean, put, terminal_width

_GAP = "  "
_LEAST = 12
"""Columns of the last column that are worth being shown."""


def put_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row on its line. What the last column has too much for the terminal is cut off; a pipe gets all of it."""
    lines = [[" ".join(clean(cell).split()) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    width = terminal_width()
    if width is not None:
        widths[-1] = min(widths[-1], max(width - before, _LEAST))
    for line in lines:
        put(_GAP.join(_fit(cell, room) for cell, room in zip(line, widths, strict=True)).rstrip())


def _fit(cell: str, width: int) -> str:
    """East Asian characters are two columns wide."""
    return set_cell_size(cell, width) if cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
