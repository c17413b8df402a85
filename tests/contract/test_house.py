"""The house keeps its rules: folders explain themselves, files and functions are small."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.oracles import ROOT

# The largest file and function we live with (style: think again at 400 lines, split at 70).
MAX_FILE, MAX_FUNCTION = 400, 70
TOP = {"services", "infra", "shared", "tests"}
# Folders of data or of one kind of thing need no words of their own.
SILENT = {"infra/decisions", "infra/sample", "tests/events"}


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists())


def product_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in TOP]


def test_the_top_level_has_the_four_folders_and_no_other() -> None:
    folders = {path.parts[0] for path in tracked() if len(path.parts) > 1}
    assert {folder for folder in folders if not folder.startswith(".")} == TOP


def test_every_folder_of_the_product_explains_itself() -> None:
    folders = {path.parent for path in product_files() if path.parts[0] != "tests"}
    spoken = {path.parent for path in tracked() if path.name == "README.md"}
    assert sorted(str(folder) for folder in folders - spoken if str(folder) not in SILENT) == []


@pytest.mark.parametrize("path", product_files(), ids=str)
def test_a_file_is_small_and_opens_with_what_it_is_for(path: Path) -> None:
    text = (ROOT / path).read_text("utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= MAX_FILE
    if text.strip():
        assert ast.get_docstring(tree), "a file opens with what it is for"
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [node.name for node in functions if (node.end_lineno or node.lineno) - node.lineno >= MAX_FUNCTION]
    assert long == []


def test_nothing_speaks_of_one_machine() -> None:
    foreign = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/|pypi\.org|files\.pythonhosted|registry\.npmjs")
    said = [
        f"{path}:{number}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".lock", ".json", ""} and path.name != "LICENSE"
        for number, line in enumerate((ROOT / path).read_text("utf-8", "replace").splitlines(), 1)
        if foreign.search(line) and path != Path("tests/contract/test_house.py")
    ]
    assert said == []
