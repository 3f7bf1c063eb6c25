"""Other people's words in Markdown that stays as it was meant: CommonMark with tables, as the Temporal Web UI shows it.

The Web UI also replaces `{namespace}`, `{workflowId}` and `{runId}` in what it shows, and outside code it makes
typographic dashes and quotes of plain ones: what is to be copied must be code.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*{}\[\]<>|~&#$]|(?<![^\W_])_|_(?![^\W_])")
"""An underscore inside a word means nothing."""
_ESCAPED = re.compile(r"\\([^\w\s])")
_AT_THE_START = re.compile(r"[-+=]|\d+(?=[.)])")
"""What would begin a list or underline a heading."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co"}
"""Unicode categories of controls, such as those that turn the direction of what follows."""
_JOINERS = "\u200c\u200d"
"""Controls that words and emoji need."""


def text(value: str) -> str:
    """`value` on one line, nothing in it read as markup."""
    words = " ".join(value.split())
    if not words.isprintable():
        words = "".join(c for c in words if c in _JOINERS or unicodedata.category(c) not in _UNSEEN).strip()
    escaped = _SPECIAL.sub(r"\\\g<0>", words)
    start = _AT_THE_START.match(escaped)
    if start is None:
        return escaped
    length = start.end() if start[0].isdigit() else 0
    return f"{escaped[:length]}\\{escaped[length:]}"


def plain(markdown: str) -> str:
    """What `text` was given, give or take white space."""
    return _ESCAPED.sub(r"\1", markdown)


def code(value: str) -> str:
    """`value` as code; as text where it has characters that code cannot hold in a table."""
    return text(value) if not value or set(value) & set("`\\|{}") or not value.isprintable() else f"`{value}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells are Markdown on one line each."""
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def block(*lines: str) -> list[str]:
    """Lines to be copied as they are."""
    return ["```", *lines, "```"]
