"""Readers of a log's files, in a folder or behind a URL. A missing file is None, and an unreadable one is an
error.

This module trusts no file. The caller verifies each of them.
"""

from collections.abc import Callable
from pathlib import Path

from carevouch.cli.address import address
from carevouch.verifier.opened import ReadMany


def read_log(log: str, *, patient: bool = True) -> ReadMany:
    """The reader of a log's files; raises `Invalid` or `OSError` if `log` is neither a folder nor an
    address.

    A patient reader tries again if a server is busy. A read raises `OSError` or `Unreachable`.
    """
    if log.startswith(("http://", "https://")):
        # The HTTP client is imported only for a URL, because most verbs read folders.
        from carevouch.remote.http import HASTY, PATIENT, reading

        base = address(log, "DIR|URL", "https://api.example/ledger")
        return reading(base, PATIENT if patient else HASTY)
    folder = Path(log)
    if not folder.is_dir():
        raise NotADirectoryError(20, "is no folder and no http(s) address", log)
    return lambda paths: [
        file.read_bytes() if file.is_file() else None for file in (folder / path for path in paths)
    ]


def one_by_one(read_many: ReadMany) -> Callable[[str], bytes | None]:
    """A reader of one file at a time, from the reader of several."""
    return lambda path: read_many([path])[0]
