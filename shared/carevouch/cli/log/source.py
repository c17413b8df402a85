"""The files of a log, in a folder or behind a URL. A missing file is None; an unreadable one is an error.

This module believes no file: the caller checks each against a signature.
"""

from collections.abc import Callable
from pathlib import Path

from carevouch.cli.address import address
from carevouch.verifier.opened import ReadMany


def read_log(log: str, *, patient: bool = True) -> ReadMany:
    """The reader of a log's files; raises `Invalid` or `OSError` for no folder and no address.

    A patient reader tries again where a server is busy. Reading raises `OSError` or `Unreachable`.
    """
    if log.startswith(("http://", "https://")):
        # Most verbs read folders: the HTTP client is loaded for a URL alone.
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
    """Reads one file at a time, by the same reader."""
    return lambda path: read_many([path])[0]
