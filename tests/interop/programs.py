"""The drivers in Go and JavaScript, as `make interop` set them up: each a process over files in a folder."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.clients import Counts, Refused
from tests.interop.evidence import Evidence
from tests.oracles import ROOT

# Where `make interop` builds; see the Makefile.
HOME = Path(os.environ.get("CAREVOUCH_INTEROP", ROOT / ".venv" / "interop"))
DRIVER = ROOT / "tests" / "interop" / "node" / "drive.mjs"


def go(evidence: Evidence, folder: Path) -> Counts:
    """x/mod sumdb and transparency-dev/merkle: each checkpoint, entry and pair, out of the tiles."""
    return Counts(**_run(HOME / "drive", evidence.write(folder), evidence.vkey))


def node(evidence: Evidence, folder: Path) -> Counts:
    """@sigstore/verify: every checkpoint, and every entry under each. It has no proofs of consistency."""
    return Counts(**javascript("log", evidence.write(folder), evidence.vkey))


def javascript(verb: str, *arguments: object) -> Any:
    """The answer of `drive.mjs` to a verb."""
    return _run("node", DRIVER, HOME / "node", verb, *arguments)


def _run(*command: object) -> Any:
    if not (HOME / ".ready").exists():
        pytest.fail("the clients are not set up: run `make interop`, which does that first")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode == 1 and done.stderr.startswith("refused: "):
        raise Refused(done.stderr)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
