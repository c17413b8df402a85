"""Reads the frozen files. This file makes none."""

import json
from pathlib import Path
from typing import Any

from carevouch.kernel.encoding import unb64u

Row = dict[str, Any]


def load(name: str) -> list[Row]:
    """The rows of a file."""
    rows: list[Row] = json.loads((Path(__file__).parent / f"{name}.json").read_text("ascii"))
    assert rows
    return rows


def hashes(texts: list[str]) -> list[bytes]:
    """The hashes of a path."""
    return [unb64u(text) for text in texts]


def flipped(data: bytes, bit: int = 0) -> bytes:
    """One bit of the first byte changed."""
    return bytes([data[0] ^ 1 << bit]) + data[1:]
