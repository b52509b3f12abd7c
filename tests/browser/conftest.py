from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.tabs import PATIENCE_MS, FrontEnd, Pages, a_browser


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with a_browser() as browser:
        yield browser


@pytest.fixture
async def front_end(browser: Browser) -> AsyncIterator[FrontEnd]:
    """Its tabs are closed at the end."""
    async with Pages() as pages:
        yield FrontEnd(browser, pages.url)
        for context in browser.contexts:
            await context.close()
