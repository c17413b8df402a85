"""The pages for people: links lead somewhere, named files exist, and the README finds its lines."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.oracles import ROOT

README = ROOT / "README.md"
MAX_LINES = 150
LISTED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
FILES = [Path(line) for line in LISTED if (ROOT / line).exists()]
PAGES = [path for path in FILES if path.suffix == ".md"]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
# A path of ours in backticks: it begins with one of the four folders, and has no placeholder.
_NAMED = re.compile(r"`((?:shared|services|infra|tests)/[\w./-]+)`")
# The lines that a newcomer looks for: what the line does, its file and number, and how the line begins.
LINES = {
    "decides a consent": "def decide(",
    "computes a deductible": "def shares(",
    "commits a new head": "def commit(",
    "serves a search parameter": "PARAMETERS",
    "names an event type": "CATALOGUE",
}


def text_of(page: Path) -> str:
    return _FENCE.sub("", (ROOT / page).read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    plain = (re.sub(r"[`*\[\]]|\([^)]*\)", "", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def test_the_readme_is_one_short_page() -> None:
    assert README.read_text("utf-8").count("\n") <= MAX_LINES


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(text_of(page)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}, which does not exist"
        if anchor and path.suffix == ".md":
            inside = path.resolve().relative_to(ROOT)
            assert anchor in anchors(inside), f"{page} links to {link}, and {inside} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    if page == Path("CHANGELOG.md"):
        return  # It names files of earlier versions.
    missing = [name for name in _NAMED.findall(text_of(page)) if not (ROOT / name).exists()]
    assert missing == [], f"{page} names files that do not exist"


@pytest.mark.parametrize("words", LINES)
def test_the_readme_links_to_the_very_line(words: str) -> None:
    row = re.search(rf"^\| {words} \| \[[^\]]+\]\(([^)#]+)#L(\d+)\)", README.read_text("utf-8"), re.MULTILINE)
    assert row, f"the README has no row with a line number for: {words}"
    lines = (ROOT / row[1]).read_text("utf-8").splitlines()
    right = next(at for at, line in enumerate(lines, 1) if line.strip().startswith(LINES[words]))
    assert int(row[2]) == right, f"{words}: write {row[1]}#L{right}"


def test_the_glossary_explains_fifteen_words() -> None:
    page = (ROOT / "infra" / "docs" / "glossary.md").read_text("utf-8")
    assert len(re.findall(r"^\| \*\*|^\*\*|^- \*\*|^## |^\| `?\w[^|]*\|", page, re.MULTILINE)) >= 15
