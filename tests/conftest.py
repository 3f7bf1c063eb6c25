"""What tests of every kind share."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from playwright.async_api import Page

from tests.support.browser import NoBrowser, browser, chromium
from tests.support.provider import Provider
from tests.support.receiver import Receiver


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first and the short ones last, so that no process of several waits for another at the end."""
    longest = ("test_soak.py", "test_upgrade.py", "test_crashes.py", "test_submission.py", "test_polls.py")
    items.sort(key=lambda item: (item.path.name not in longest, "unit" in item.path.parts))


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The scripted provider."""
    provider = Provider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver of notifications."""
    receiver = Receiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture
def word() -> str:
    """A word for prompts that no other test uses."""
    return f"w{uuid4().hex[:10]}"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page in a browser of its own, of a size that shows it whole."""
    if missing := _no_browser():
        pytest.fail(missing, pytrace=False)
    async with browser() as running:
        yield await running.new_page(viewport={"width": 1440, "height": 1400})


def _no_browser() -> str | None:
    try:
        chromium()
    except NoBrowser as missing:
        return str(missing)
    return None
