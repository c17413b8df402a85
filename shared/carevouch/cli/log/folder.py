"""The folder in which a copy of a log is kept: each file whole or not there, whenever the power fails.

A file is written under a temporary name, flushed, and renamed; folders are flushed when `settle` is called,
which is before a checkpoint is renamed into its place. So a checkpoint in the folder never speaks of a tile
that is not there. Only one program may write at a time.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carevouch.kernel.errors import Busy

_LOCK = ".lock"


class MirrorFolder:
    """A folder's files by their path below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._touched: set[Path] = set()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other copier out; raises `Busy` if one is at work. Makes the folder if need be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"another program is copying into {self.folder}; let it finish") from error
            yield

    def get(self, path: str) -> bytes | None:
        """The file, or None."""
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def put(self, path: str, data: bytes) -> None:
        """Write the file, in place of an older one if there is one."""
        file = self.folder / path
        self._make(file.parent)
        part = file.with_name(f".{file.name}.part")
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self._rename(part, file)

    def rename(self, path: str, new: str) -> None:
        """Give a file another name, in place of the file that had it."""
        self._rename(self.folder / path, self.folder / new)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it; nothing is fine."""
        file = self.folder / path
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
        self._touched.add(file.parent)

    def settle(self) -> None:
        """Return once the names of all that was written are on the disk."""
        for folder in self._touched:
            if folder.is_dir():
                _flush(folder)
        self._touched.clear()

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            self._touched.add(folder.parent)

    def _rename(self, old: Path, new: Path) -> None:
        old.replace(new)
        self._touched.add(new.parent)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
