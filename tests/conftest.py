"""What tests of every kind share."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.provider import Provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The scripted provider."""
    provider = Provider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def word() -> str:
    """A word for prompts that no other test uses."""
    return f"w{uuid4().hex[:10]}"
