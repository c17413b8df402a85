"""The verbs of the Makefile: each is listed, runs the tests it names, and says which tool is missing."""

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
from tests.timing import summary

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


def test_one_domain_is_its_tests_on_every_floor() -> None:
    (command,) = [line for line in _make("-n", "test", "T=claims").stdout.splitlines() if "pytest" in line]
    assert {"tests/unit/claims", "tests/service/claims"} <= set(command.split())
    (command,) = [line for line in _make("-n", "test", "T=store").stdout.splitlines() if "pytest" in line]
    assert {"tests/service/store", "tests/contract/test_store_races.py"} <= set(command.split())


def test_an_unknown_domain_is_named_with_those_that_there_are() -> None:
    done = _make("test", "T=clams")
    assert done.returncode == 2
    assert "there are no tests named clams" in done.stderr
    assert {"claims", "consent", "contract"} <= set(re.findall(r"\w+", done.stderr))


def _collected(*paths: str, soak: str | None = None) -> set[str]:
    """The tests that pytest selects, without their parameters."""
    kept = {name: value for name, value in os.environ.items() if name != "CAREVOUCH_SOAK"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", *paths]
    environment = kept if soak is None else kept | {"CAREVOUCH_SOAK": soak}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return {line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line}


def test_deep_tests_run_in_a_soak_only_and_property_tests_again_in_a_larger_one() -> None:
    paths = ("tests/simulator", "tests/unit/kernel/test_times.py")
    everyday, soak, larger = _collected(*paths), _collected(*paths, soak="1"), _collected(*paths, soak="2")
    first, deep = (f"test_no_schedule_loses_repeats_or_forks[{item}]" for item in (0, 1))
    assert first in everyday
    assert deep not in everyday
    assert soak == {f"test_no_schedule_loses_repeats_or_forks[{item}]" for item in range(1, 5)}
    assert {first, deep} <= larger
    assert len(larger) > len(soak) + 1
    assert larger < everyday | soak


def test_a_run_ends_with_its_slowest_tests_and_the_seconds_of_each_kind() -> None:
    seconds = {f"tests/unit/a.py::test_{number}": float(number) for number in range(12)}
    lines = summary(seconds | {"tests/e2e/b.py::test_story": 30.0})
    assert lines[1].split() == ["30.0", "tests/e2e/b.py::test_story"]
    assert sum("::" in line for line in lines) == 10
    assert [line.split() for line in lines[-2:]] == [
        ["66.0", "unit", "(12", "tests)"],
        ["30.0", "e2e", "(1", "tests)"],
    ]


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
    """The script finds each cloud, whatever its folder is called and however deep it lies."""
    names = ["carevouch-demo-x", "pytest-of-ci/pytest-0/story-cloud", "pytest-of-ci/pytest-0/a test/deep"]
    make, ports_file = tmp_path / "bin" / "make", tmp_path / "ports.json"
    make.parent.mkdir()
    # This `make` starts clouds as the tests do, then crashes before it can stop them.
    make.write_text(
        f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from infra import ministack
folders = [Path(os.environ["TMPDIR"], name) for name in {names!r}]
started = [ministack.start(folder, ministack.free_port(), detached=True) for folder in folders]
Path({str(ports_file)!r}).write_text(json.dumps([process.port for process in started]))
os._exit(1)
"""
    )
    make.chmod(0o755)
    # Without these the script would install tools that this test does not need.
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
    ports = json.loads(ports_file.read_text())
    assert len(ports) == len(names)
    assert [port for port in ports if ministack.is_busy(port)] == []
