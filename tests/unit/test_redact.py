"""Signed URLs in other people's words, however they spell them."""

from urllib.parse import quote

import pytest

from manxue.client import _parsed, _signatures
from manxue.redact import redact

SECRET = "3f" * 32
SIGNED = f"http://store.example.com/renders/a%20b.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET}"
QUOTED = {
    "as it is": f"cannot fetch {SIGNED}",
    "encoded": f"cannot fetch {quote(SIGNED, safe='')}",
    "encoded twice": f"cannot fetch {quote(quote(SIGNED, safe=''), safe='')}",
    "its query": f"SignatureDoesNotMatch: {SIGNED.partition('?')[2]}",
    "its query, encoded": f"denied ({quote(SIGNED.partition('?')[2], safe='')})",
    "without its scheme": SIGNED.partition("://")[2],
}


@pytest.mark.parametrize("how", QUOTED)
def test_a_signature_is_in_no_text(how: str) -> None:
    assert SECRET not in redact(QUOTED[how])


@pytest.mark.parametrize("said", ["the signature is bad", "sig: 3, token 5", "100%3 of it", "a%20b is no picture"])
def test_other_words_stay_as_they_are(said: str) -> None:
    assert redact(said) == said


def test_what_was_sent_is_not_quoted_back() -> None:
    """The value alone, too, and under a name that nobody knows; `originalUrl` stays: answers are told apart by it."""
    body = {"imageUrls": [SIGNED, "https://cdn.example.com/b.png?key=of-the-caller-1234"]}
    said = f'{{"msg": "bad {SECRET} and of-the-caller-1234", "originalUrl": "{SIGNED}"}}'
    answer = _parsed(said.encode(), _signatures(body))
    assert answer == {"msg": "bad … and …", "originalUrl": SIGNED}
