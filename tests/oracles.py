"""Where other people's data lies. A clone does not have it: what needs it skips and says so."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CAREVOUCH_SHARED", ROOT.parent / "shared"))


def shared_path(relative: str) -> Path:
    """The path of an oracle; skips the test, naming the file, where it is not there."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{relative} is not in this clone (set CAREVOUCH_SHARED to its folder)")
    return path


def or_skip(values: Iterable[Any], relative: str, width: int = 1) -> list[Any]:
    """The parameters, or one that skips and names the oracle there is none without."""
    reason = f"{relative} is not in this clone (set CAREVOUCH_SHARED to its folder)"
    return list(values) or [pytest.param(*[None] * width, marks=pytest.mark.skip(reason=reason))]
