"""Readers of the files that verbs take: text, bytes, and the pinned key.

A missing, empty or binary file is bad input (exit 2), with a sentence that names the file. Only a file that
can be read can fail to verify (exit 1).
"""

import os

from carevouch.kernel.errors import Malformed
from carevouch.ledger.note import Verifier, parse_vkey


def read_text(name: str) -> bytes:
    """The bytes of a text file; raises `OSError`, or `Malformed` for an empty or binary file."""
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
    """The pinned key, which is given itself or as the name of its file; raises `Malformed`, `OSError`."""
    if "+" not in text or os.path.isfile(text):
        text = read_text(text).decode("utf-8").strip()
    return parse_vkey(text)
