"""Where other people's data lies. A clone does not have it: what needs it skips and says so."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CAREVOUCH_SHARED", ROOT.parent / "shared"))


def shared_path(relative: str) -> Path:
    """The path of an oracle; skips the test, naming the file, where it is not there."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{relative} is not in this clone (set CAREVOUCH_SHARED to its folder)")
    return path
