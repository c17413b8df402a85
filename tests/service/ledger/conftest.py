"""Fixtures of the ledger door's tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.service.ledger.browser import PAGE, chromium


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """The page that checks proofs, open in a browser; skips where there is none."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(PAGE.as_uri())
        yield page
