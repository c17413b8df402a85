"""Each rule of the house finds a violation that is planted, and not its nearest valid neighbour."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.rules import broken
from tests.structure.source import ROOT, Source, read

HEAD = '"""A file of the house."""\n\n'


def wrong(*files: tuple[str, str], root: Path | None = None) -> list[str]:
    """The broken rules of these files, apart from those about READMEs of the repository."""
    sources = [Source(Path(path), text) for path, text in files]
    return [line for line in broken(sources, root=root or ROOT) if "README.md" not in line or root]


def function(lines: int, name: str = "build") -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1) + f"\n\n{name}()\n{name}()\n"


# `make check` measures the same, so a soak is often enough for this.
@pytest.mark.deep
def test_the_house_keeps_its_rules() -> None:
    assert broken(read()) == []


def test_a_function_of_61_lines_is_found() -> None:
    assert wrong(("shared/carevouch/a.py", HEAD + function(60) + function(2, "b") * 20)) == []
    (found,) = wrong(("shared/carevouch/a.py", HEAD + function(61) + function(2, "b") * 20))
    assert "build has 61 lines" in found


def test_a_tenth_of_long_functions_is_found() -> None:
    assert any("a tenth of the functions" in line for line in wrong(("infra/a.py", HEAD + function(31) * 3)))


@pytest.mark.parametrize("name", ["a.py", "page.html", "page.js", "client.ts"])
def test_a_file_of_401_lines_is_found(name: str) -> None:
    line = "x = 1\n" if name.endswith(".py") else "//\n"
    head = HEAD if name.endswith(".py") else "//\n//\n"
    assert wrong((f"services/{name}", head + line * 398)) == []
    (found,) = wrong((f"services/{name}", head + line * 399))
    assert "has 401 lines" in found


def test_two_public_classes_of_one_name_are_found() -> None:
    one, other = ("shared/carevouch/a.py", "shared/carevouch/b.py")
    (found,) = wrong((one, HEAD + "class Visit: ...\n"), (other, HEAD + "class Visit: ...\n"))
    assert found == f"two public classes of one name: Visit: {one}, {other}"
    assert wrong((one, HEAD + "class Ports: ...\n"), (other, HEAD + "class Ports: ...\n")) == []
    assert wrong((one, HEAD + "class Visit: ...\n"), ("tests/b.py", HEAD + "class Visit: ...\n")) == []


@pytest.mark.parametrize("name", ["Asked", "_Held", "Seen", "Placed", "Reading"])
def test_a_class_that_is_a_participle_is_found(name: str) -> None:
    (found,) = wrong(("infra/a.py", HEAD + f"class {name}: ...\n"))
    assert "bare participle" in found
    assert wrong(("infra/a.py", HEAD + f"class {name}(Exception): ...\n")) == []
    assert wrong(("infra/a.py", HEAD + f"class {name}Revision: ...\n")) == []


def test_helpers_of_one_use_are_found() -> None:
    used_twice = "".join(function(6, f"f{number}") for number in range(8))
    used_once = "".join(f"def g{number}():\n    x = 1\n\n\ng{number}()\n" for number in range(3))
    found = wrong(("infra/a.py", HEAD + used_twice + used_once))
    assert any("one place calls 27.3% of the functions; at most 20%" in line for line in found)
    assert any("and they have at most 5 lines; at most 5%" in line for line in found)
    assert wrong(("infra/a.py", HEAD + used_twice)) == []


def test_sentences_without_a_subject_are_found() -> None:
    said = 'def f():\n    """{}"""\n\n\nf()\nf()\n'
    (found,) = wrong(("infra/a.py", HEAD + said.format("Whoever asks gets the whole list of names.")))
    assert "of the sentences have no subject" in found
    assert wrong(("infra/a.py", HEAD + said.format("Every caller gets the whole list of names."))) == []


def test_long_sentences_are_found() -> None:
    text = '"""' + " ".join(["Every", *["word"] * 13]) + '."""\n\ndef f(): ...\n\n\nf()\nf()\n'
    assert any("more than 12 words" in line for line in wrong(("tests/a.py", text)))


def test_a_docstring_that_repeats_the_name_is_found() -> None:
    text = HEAD + 'def read_page():\n    """Read the page."""\n\n\nread_page()\nread_page()\n'
    assert wrong(("infra/a.py", text)) == ["infra/a.py:3: the docstring only repeats the name"]


def test_a_file_without_a_docstring_is_found() -> None:
    assert wrong(("infra/a.py", "x = 1\n")) == ["infra/a.py does not begin with a docstring"]


def test_a_circle_of_imports_is_found() -> None:
    one = ("services/a.py", HEAD + "from services.b import x\n")
    other = ("services/b.py", HEAD + "def f() -> None:\n    import services.a\n\n\nf()\nf()\n")
    assert any("circle of imports: services.a -> services.b" in line for line in wrong(one, other))


def test_files_and_rows_of_a_readme_are_compared(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    folder = tmp_path / "infra"
    folder.mkdir()
    (folder / "a.py").write_text(HEAD)
    assert wrong(root=tmp_path) == ["infra has no README.md"]
    (folder / "README.md").write_text("# infra\n\n| file | what it holds |\n|---|---|\n| `b.py` | old |\n")
    assert wrong(root=tmp_path) == [
        "infra/README.md does not list a.py",
        "infra/README.md lists b.py, which is not there",
    ]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("shared/carevouch/consent/decide.py", "import boto3"),
        ("shared/carevouch/claims/adjudicate.py", "from carevouch.store.rows import Row"),
        ("shared/carevouch/ledger/tiles.py", "from carevouch.events.act import Act"),
        ("services/claims/submit.py", "from services.records.read import read"),
        ("shared/carevouch/cli/app.py", "from services.sealer.log import Log"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    copy_product(tmp_path)
    with (tmp_path / file).open("a") as planted:
        planted.write(f"\n{line}\n")
    assert "BROKEN" in lint(tmp_path)


def test_a_room_that_stands_in_no_layer_is_found(tmp_path: Path) -> None:
    copy_product(tmp_path)
    (tmp_path / "shared" / "carevouch" / "trials").mkdir()
    (tmp_path / "shared" / "carevouch" / "trials" / "__init__.py").touch()
    assert "trials" in lint(tmp_path)


def copy_product(folder: Path) -> None:
    for name in ("shared", "services"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def lint(folder: Path) -> str:
    """The output of import-linter, which must refuse the copy of the product in this folder."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}/shared:{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr
