"""The repository keeps its order: four folders, citations that exist, and no path of one machine."""

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.oracles import ROOT

TOP = {"services", "infra", "shared", "tests"}
# The files that people read. Others may hold text that we did not write.
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".lock", ".json", ""}
FORMATS = Path("shared/carevouch/events/FORMATS.md")
DECISIONS = Path("infra/decisions")


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists())


def test_the_top_level_has_the_four_folders_and_no_other() -> None:
    folders = {path.parts[0] for path in tracked() if len(path.parts) > 1}
    assert {folder for folder in folders if not folder.startswith(".")} == TOP


def test_every_folder_has_a_readme() -> None:
    folders = {path.parent for path in tracked() if path.parts[0] in TOP}
    explained = {path.parent for path in tracked() if path.name == "README.md"}
    assert sorted(str(folder) for folder in folders - explained) == []


def occurrences(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """The places where the pattern matches, each with the matched text. This file is left out."""
    return [
        (f"{path}:{number}", match[0])
        for path in tracked()
        if path.suffix in TEXT_SUFFIXES
        and path.name != "LICENSE"
        and path != Path("tests/contract/test_house.py")
        for number, line in enumerate((ROOT / path).read_text("utf-8", "replace").splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def test_no_file_names_a_path_or_registry_of_one_machine() -> None:
    foreign = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/|pypi\.org|files\.pythonhosted|registry\.npmjs")
    assert occurrences(foreign) == []


def test_every_cited_page_is_in_a_clone() -> None:
    assert occurrences(re.compile(r"\b(?:design|formats|style|platform)\.md\b|\breference/\w+\.md\b")) == []


def test_every_cited_section_and_decision_exists() -> None:
    sections = re.findall(r"^## (\d+)\. ", (ROOT / FORMATS).read_text("utf-8"), re.MULTILINE)
    cited = occurrences(re.compile(r"(?<=FORMATS\.md, )\d+"))
    assert cited
    assert [place for place, section in cited if section not in sections] == []
    decisions = {str(int(path.name[:4])) for path in tracked() if path.match(f"{DECISIONS}/0*.md")}
    cited = occurrences(re.compile(r"(?<=\bADR )\d+"))
    assert cited
    assert [place for place, number in cited if number not in decisions] == []


def test_the_index_of_decisions_has_each_of_them_once() -> None:
    index = (ROOT / DECISIONS / "README.md").read_text("utf-8")
    listed = re.findall(r"^\d+\. \[[^]]+\]\((0\d{3}-[a-z0-9-]+\.md)\): ", index, re.MULTILINE)
    assert listed == sorted(path.name for path in tracked() if path.match(f"{DECISIONS}/0*.md"))
