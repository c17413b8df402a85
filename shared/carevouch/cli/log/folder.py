"""The folder of a copy of a log. After a power failure each file is whole or absent.

A file is written under a temporary name, flushed, and renamed. `settle` flushes the folders, before a
checkpoint is renamed into its place. So the tiles of a checkpoint in the folder are always there. Only one
program may write at a time.
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
        """Lock the folder, and make it if it is missing; raises `Busy` if another program has it."""
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
        """Write the file, and replace an older one."""
        file = self.folder / path
        self._make(file.parent)
        part = file.with_name(f".{file.name}.part")
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self._rename(part, file)

    def rename(self, path: str, new: str) -> None:
        """Rename a file, and replace the file that had the new name."""
        self._rename(self.folder / path, self.folder / new)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with its content, if it is there."""
        file = self.folder / path
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
        self._touched.add(file.parent)

    def settle(self) -> None:
        """Return when the names of all written files are on the disk."""
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
