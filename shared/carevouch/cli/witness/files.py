"""The store of a witness on one machine: its key in a file, and its state in a folder.

Every write is atomic and reaches the disk before it counts: a new file is flushed and renamed, and then the
folder is flushed. One process at a time holds the folder by a lock. A file that cannot be read stops the
witness. If it were read as empty, a log could start again.
"""

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any

from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import Conflict, Malformed
from carevouch.kernel.jsontext import parse
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.merkle import HASH_LENGTH
from carevouch.ledger.note import Ed25519InMemory
from carevouch.witness.request import State, WitnessSigner, origin_hash
from carevouch.witness.witness import Progress, StateMoved

SEED_BYTES = 32
LOCK = "lock"


class WitnessFiles:
    """`witness.WitnessStore` in a folder. As a context manager it holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Raises `Conflict` if another process holds the folder, `OSError` if it cannot be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._writing = threading.Lock()
        self._lock = (folder / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise Conflict(f"{folder} is in use by another witness") from None

    def __enter__(self) -> "WitnessFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def read(self, origin: str) -> State:
        """The state, which is empty for a log that was never cosigned; raises `Malformed`."""
        found = self._json(f"{origin_hash(origin)}.state")
        if found is None:
            return State()
        root = unb64u(str(found.get("root", "")), "the root in the witness's state")
        size = found.get("size")
        if type(size) is not int or size < 0 or len(root) != HASH_LENGTH:
            raise Malformed(f"{origin_hash(origin)}.state in {self._folder} is not a witness's state")
        return State(size, root)

    def swap(self, origin: str, before: State, after: State) -> None:
        """Replace the state `before`; raises `StateMoved`."""
        with self._writing:
            if self.read(origin) != before:
                raise StateMoved
            whole = {"origin": origin, "size": after.size, "root": b64u(after.root)}
            self._write(f"{origin_hash(origin)}.state", json.dumps(whole).encode("ascii"))

    def keep(self, origin: str, size: int, note: bytes) -> None:
        """Store the cosigned checkpoint for readers, unless a larger one is there."""
        name = origin_hash(origin)
        with self._writing:
            kept = self.kept(name)
            # The second line of a checkpoint is its size.
            if kept is None or size >= int(kept.split(b"\n", 2)[1]):
                self._write(f"{name}.checkpoint", note)

    def kept(self, name: str) -> bytes | None:
        """The cosigned checkpoint of the log whose origin hashes to `name` (hex)."""
        return self._bytes(f"{name}.checkpoint")

    def audited(self, origin: str) -> Progress:
        """The progress of the audit."""
        found = self._bytes(f"{origin_hash(origin)}.audit")
        if found is None:
            return Progress()
        version, _, data = found.partition(b"\n")
        if not version.isdigit():
            raise Malformed(f"{origin_hash(origin)}.audit in {self._folder} is not the state of an audit")
        return Progress(data, int(version))

    def advance(self, origin: str, before: Progress, data: bytes) -> None:
        """Replace exactly `before`; raises `StateMoved`."""
        with self._writing:
            if self.audited(origin) != before:
                raise StateMoved
            self._write(f"{origin_hash(origin)}.audit", b"%d\n%b" % (before.version + 1, data))

    def _json(self, name: str) -> dict[str, Any] | None:
        data = self._bytes(name)
        if data is None:
            return None
        value = parse(data, f"{name} in {self._folder}")
        if not isinstance(value, dict):
            raise Malformed(f"{name} in {self._folder} is not a witness's state")
        return value

    def _bytes(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        fresh = self._folder / f"{name}.new"
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_key(file: Path, name: str, entropy: bytes) -> WitnessSigner:
    """Make a witness's key file from 64 random bytes; raises `Conflict` if the file exists."""
    seeds = entropy[:SEED_BYTES], entropy[SEED_BYTES : 2 * SEED_BYTES]
    try:
        # Only the owner can read the file, from its creation on. An existing key is never overwritten.
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{file} exists, and a key is never overwritten; name another file") from None
    with os.fdopen(made, "w") as out:
        json.dump({"name": name, "ed25519": b64u(seeds[0]), "mldsa": b64u(seeds[1])}, out)
        out.flush()
        os.fsync(out.fileno())
    return _signer(name, *seeds)


def read_key(file: Path) -> WitnessSigner:
    """The witness's keys; raises `OSError`, `Malformed`."""
    found = parse(file.read_bytes(), f"{file}")
    names = ("name", "ed25519", "mldsa")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        raise Malformed(f"{file} is not a witness's key; `carevouch witness key` makes one")
    return _signer(found["name"], *(unb64u(found[name], f"{name} in {file}") for name in names[1:]))


def _signer(name: str, ed25519: bytes, mldsa: bytes) -> WitnessSigner:
    if len(ed25519) != SEED_BYTES or len(mldsa) != SEED_BYTES:
        raise Malformed("each seed in a witness's key file must have 32 bytes")
    return WitnessSigner(name, Ed25519InMemory(ed25519), Mldsa44InMemory(mldsa))
