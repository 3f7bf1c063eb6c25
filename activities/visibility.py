"""Values in queries of Temporal's visibility (its lists of runs)."""

import re

UNSEARCHABLE = "double quotes, backslashes and control characters"
_UNSEARCHABLE = re.compile(r'["\\\x00-\x1f\x7f]')
"""Stores of visibility differ in what they make of these inside of quotes: SQLite never finds them."""


class NotSearchable(ValueError):
    """No query can find this value."""


def is_searchable(value: str) -> bool:
    """Whether a query can find the value."""
    return not _UNSEARCHABLE.search(value)


def quoted(value: str) -> str:
    """The value as a literal of a query, which it cannot get out of. Raises NotSearchable."""
    if not is_searchable(value):
        raise NotSearchable(f"must be without {UNSEARCHABLE}")
    return "'" + value.replace("'", "''") + "'"
