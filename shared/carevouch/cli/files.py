"""The files that the verbs read: they must hold text, and one of them the pinned key.

A file that is missing, empty or binary is bad input (exit 2), told in one sentence that names the file.
Only a file that could be read can fail to verify (exit 1).
"""

import os

from carevouch.kernel.errors import Malformed
from carevouch.ledger.note import Verifier, parse_vkey


def read_text(name: str) -> bytes:
    """The bytes of a text file; raises `OSError`, or `Malformed` for an empty file or another kind."""
    data = read_bytes(name)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is not a text file") from error
    return data


def read_bytes(name: str) -> bytes:
    """The bytes of a file; raises `OSError`, or `Malformed` for an empty one."""
    with open(name, "rb") as file:
        data = file.read()
    if not data.strip():
        raise Malformed(f"{name} is empty")
    return data


def read_vkey(text: str) -> Verifier:
    """The pinned key, from the command line or from the file of that name; raises `Malformed`, `OSError`."""
    if "+" not in text or os.path.isfile(text):
        text = read_text(text).decode("utf-8").strip()
    return parse_vkey(text)
