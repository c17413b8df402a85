"""The verbs are what a newcomer meets first."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import ministack
from tests.contract.template import ROOT

VERBS = {
    "run",
    "demo",
    "stop",
    "test",
    "check",
    "vectors",
    "bench",
    "soak",
    "interop",
    "package",
    "deploy",
    "clean",
}


def _make(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    # Without MAKEFLAGS: this test itself may run below make.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=kept | environment
    )


def test_make_alone_prints_every_verb() -> None:
    done = _make()
    assert done.returncode == 0
    assert set(re.findall(r"^make (\w+)  ", done.stdout, re.MULTILINE)) == VERBS


def test_every_verb_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+(?: [a-z]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for target in targets for word in target.split()} >= VERBS


@pytest.mark.parametrize(
    ("version", "mend"), [("3.9.1", "install 3.11 or later"), (None, "install Python 3.11 or later")]
)
def test_an_old_or_missing_python_is_named_with_its_mend(
    tmp_path: Path, version: str | None, mend: str
) -> None:
    python = tmp_path / "python-of-test"
    if version is not None:
        python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}"\nexit 1\n')
        python.chmod(0o755)
    copy = tmp_path / "clone"
    copy.mkdir()
    (copy / "Makefile").write_text((ROOT / "Makefile").read_text())
    (copy / "requirements.lock").touch()
    (copy / "pyproject.toml").touch()
    done = _make("-C", str(copy), f"PYTHON={python}", "demo")
    assert done.returncode == 2
    assert mend in done.stderr
    assert version is None or version in done.stderr


@pytest.mark.parametrize("missing", ["go", "node", "npm"])
def test_a_missing_tool_of_the_interop_clients_is_named_with_its_mend(tmp_path: Path, missing: str) -> None:
    tools, copy = tmp_path / "bin", tmp_path / "clone"
    tools.mkdir()
    for tool in {"go", "node", "npm"} - {missing}:
        (tools / tool).write_text("#!/bin/sh\nexit 1\n")
        (tools / tool).chmod(0o755)
    shutil.copytree(ROOT / "tests" / "interop", copy / "tests" / "interop")
    (copy / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in ("requirements.lock", "pyproject.toml", ".venv/.ready"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).touch()
    make = shutil.which("make")
    assert make is not None
    done = subprocess.run(
        [make, "-C", str(copy), "interop"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{missing} is missing" in done.stderr
    assert "apt install golang-go nodejs npm" in done.stderr


@pytest.mark.local_cloud
def test_a_crashed_ci_run_leaves_no_cloud_behind(tmp_path: Path) -> None:
    """Whatever it is named and however deep it lies: the story's and a demo's were left to run for ever."""
    left = ["carevouch-demo-x", "pytest-of-ci/pytest-0/story-cloud", "pytest-of-ci/pytest-0/a test/deep"]
    make, told = tmp_path / "bin" / "make", tmp_path / "told.json"
    make.parent.mkdir()
    # In place of the real one: starts clouds as tests do, then crashes before it can stop them.
    make.write_text(
        f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from infra import ministack
folders = [Path(os.environ["TMPDIR"], name) for name in {left!r}]
started = [ministack.start(folder, ministack.free_port(), detached=True) for folder in folders]
Path({str(told)!r}).write_text(json.dumps([process.port for process in started]))
os._exit(1)
"""
    )
    make.chmod(0o755)
    # What the script would install for other tests than this one.
    for tool in ("chromium", "go", "node", "npm"):
        (make.parent / tool).write_text("#!/bin/sh\nexit 1\n")
        (make.parent / tool).chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "run"],
        env=os.environ | {"PATH": f"{make.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    ports = json.loads(told.read_text())
    assert len(ports) == len(left)
    assert [port for port in ports if ministack.is_busy(port)] == []
