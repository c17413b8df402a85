"""Bytecode for the packages, so that a cold start compiles nothing.

Every module is compiled by an interpreter of the Python that will run it. Python uses the `.pyc` files
without looking at their sources (unchecked hash, PEP 552). Sources stay in the package, for tracebacks.
Names in the code begin with Lambda's folder, so the same inputs give the same bytes on every machine.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# The folder into which Lambda unpacks a zip. A module that is loaded from another folder has its own path.
TASK_ROOT = "/var/task"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.cache_tag)"


@cache
def interpreter(version: str, uv: str) -> str | None:
    """A Python of this version, such as 3.13, from this machine or from uv; None if there is none."""
    for path in _candidates(version, uv):
        if _output(path, "-c", _VERSION).startswith(f"{version} cpython-"):
            return path
    return None


def compile_tree(python: str, folder: Path) -> None:
    """Write the bytecode of every module below `folder` beside it, except for modules that do not compile."""
    command = [python, "-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    # Sets in constants are written in the order of their hashes, which must be the same in every run.
    subprocess.run(
        [*command, "-s", str(folder), "-p", TASK_ROOT, str(folder)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def _candidates(version: str, uv: str) -> Iterator[str]:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    named = shutil.which(f"python{version}")
    if named is not None:
        yield named
    yield from sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), reverse=True)
    for command in (("python", "find", version), ("python", "install", "--quiet", version)):
        found = _output(uv, *command) or _output(uv, "python", "find", version)
        if found:
            yield found


def _output(*command: str) -> str:
    """The output of a command; empty if it fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
