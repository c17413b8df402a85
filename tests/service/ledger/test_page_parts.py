"""The parts of the page: joined whole, allowed by its policy, and with the constants of the Python code."""

import base64
import hashlib
import re
from typing import Any

from playwright.sync_api import Page

from carevouch.events.catalogue import CATALOGUE
from infra.page import FORMATS, formats
from services.ledger.page.join import FOLDER, SCRIPTS, verify_page


def test_the_constants_of_the_page_are_those_of_the_python_code() -> None:
    assert FORMATS.read_text("utf-8") == formats(), "run `python -m infra.page write`"


def test_every_script_of_the_folder_is_in_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(file.name for file in FOLDER.glob("*.js"))
    assert all((FOLDER / name).read_text("utf-8") in verify_page() for name in SCRIPTS)


def test_the_policy_allows_exactly_the_script_and_the_style_of_the_page() -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', verify_page())
    assert policy is not None
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", verify_page(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")


def test_the_page_has_words_for_every_type_of_event(page: Page) -> None:
    names: Any = page.evaluate("Object.keys(EVENT_WORDS)")
    assert set(names) == set(CATALOGUE)
