"""What is wrong with an input, said so that its author can mend it."""

import json
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict

from manxue.redact import capped


class Problem(BaseModel):
    """One rule broken by one field."""

    model_config = ConfigDict(frozen=True)

    field: str
    """The field as the caller wrote it, with an index where it is a list: `referenceImages[2]`."""
    rule: str
    """A stable word to branch on: `required`, `type`, `empty`, `format`, `choice`, `range`, `max_items`, `url`,
    `conflict`, `requires`, `unknown_field`, `recommended`, `unreadable`, `unreachable`, `file`, `staging`,
    `unavailable`."""
    given: Any = None
    """What was given, shortened, query strings of URLs removed."""
    hint: str
    """What to do about it, as a sentence."""

    def __str__(self) -> str:
        given = "" if self.given is None else f" (given: {json.dumps(self.given, ensure_ascii=False)})"
        return f"{self.field}: {self.hint}{given}"


def problem(field: str, rule: str, given: Any, hint: str) -> Problem:
    """A `Problem` whose `field` and `given` are short and free of secrets."""
    return Problem(field=capped(field, 120), rule=rule, given=_shown(given), hint=hint)


def unknown_field(name: str, known: list[str], otherwise: str) -> Problem:
    """The problem of a field that nobody knows, with the nearest known one where there is one.

    `otherwise` says what to do when that is not what was meant.
    """
    last = name.rsplit(".", 1)[-1]
    near = [k for k in known if k.lower() == last.lower()] or get_close_matches(last, known, n=1, cutoff=0.6)
    meant = f"did you mean `{near[0]}`? " if near else ""
    return problem(name, "unknown_field", None, f"{meant}{otherwise}")


def sentence(problems: list[Problem]) -> str:
    """All problems in one line, for a failure's message."""
    return "; ".join(str(p) for p in problems)


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 10**15 else capped(str(value), 80)  # NaN and the infinities are not JSON
    if isinstance(value, str):
        return _without_query(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    harmless = len(text) <= 200 and _without_query(text) == text
    return value if harmless else _without_query(text)


def _without_query(text: str) -> str:
    """Where the query of a malformed URL ends nobody can tell, so nothing after a question mark is shown."""
    head, query, _ = text.partition("?")
    return capped(head, 200) + ("?…" if query else "")
