"""Fixtures of the ledger door's tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from services.ledger.page.join import verify_page
from tests.service.ledger.browser import chromium


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page that checks proofs, opened from a file in a browser; skips where there is none."""
    file = tmp_path_factory.mktemp("page") / "verify.html"
    file.write_text(verify_page(), "utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(file.as_uri())
        yield page
