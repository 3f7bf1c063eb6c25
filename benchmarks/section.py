"""What a benchmark hands back."""

from dataclasses import dataclass, field


@dataclass
class Section:
    """One section of the report."""

    text: str
    """Markdown without the heading."""
    short: list[str] = field(default_factory=list)
    """What it had to reach and did not."""


def table(heads: list[str], rows: list[list[str]], words: int = 1) -> str:
    """A Markdown table whose first `words` columns are words, and the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(heads) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *rows])
