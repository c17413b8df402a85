"""Damaged logs that a client must refuse (one changed bit, or a well-signed lie), and lines that it must
ignore.

Each damage is to the largest size, so that nothing else tells.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace

from carevouch.ledger.checkpoint import Checkpoint, sign_checkpoint
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import SignatureLine
from carevouch.ledger.tiles import ENTRIES, tile_at
from tests.interop.evidence import Evidence, HashPath
from tests.unit.sealing.acts import House


def flipped(data: bytes, at: int = -1) -> bytes:
    """One bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def entry(evidence: Evidence) -> Evidence:
    """The last byte of the last entry."""
    size = evidence.sizes[-1]
    return _file(evidence, tile_at(ENTRIES, (size - 1) // 256, size).path, flipped)


def tile(evidence: Evidence) -> Evidence:
    """The last leaf hash, where the clients read the tree itself."""
    size = evidence.sizes[-1]
    return _file(evidence, tile_at(0, (size - 1) // 256, size).path, flipped)


def path(evidence: Evidence) -> Evidence:
    """The sibling of the first leaf."""
    return _paths(evidence, lambda paths: [(flipped(paths[0][0]), *paths[0][1:]), *paths[1:]])


def short_path(evidence: Evidence) -> Evidence:
    """A path without its last hash."""
    return _paths(evidence, lambda paths: [paths[0][:-1], *paths[1:]])


def swapped(evidence: Evidence) -> Evidence:
    """The first two entries' paths, each for the other."""
    return _paths(evidence, lambda paths: [paths[1], paths[0], *paths[2:]])


def consistency(evidence: Evidence) -> Evidence:
    """One hash of the proof between the two largest sizes."""
    key = (evidence.sizes[-2], evidence.sizes[-1])
    proof = evidence.consistency[key]
    return replace(evidence, consistency={**evidence.consistency, key: (flipped(proof[0]), *proof[1:])})


def root(evidence: Evidence) -> Evidence:
    """One bit of the checkpoint's root."""
    return _line(evidence, 2, lambda line: b64encode(flipped(b64decode(line), 0)))


def size(evidence: Evidence) -> Evidence:
    """The checkpoint's last digit."""
    return _line(evidence, 1, flipped)


def signature(evidence: Evidence) -> Evidence:
    """One bit of every signature of the checkpoint, the key ids left as they are."""

    def change(note: bytes) -> bytes:
        text, _, lines = note.rpartition(b"\n\n")
        parts = [line.split(b" ") for line in lines.splitlines()]
        broken = [b" ".join([*part[:2], b64encode(flipped(b64decode(part[2])))]) for part in parts]
        return text + b"\n\n" + b"\n".join(broken) + b"\n"

    return _note(evidence, change)


def forked(evidence: Evidence) -> Evidence:
    """A checkpoint of another tree, truly signed by the log's key: ours, which the tests hold."""
    head = Checkpoint(evidence.verifier.name, evidence.sizes[-1], leaf_hash(b"another tree"))
    return _note(evidence, lambda _: sign_checkpoint(head, House().log))


Damage = Callable[[Evidence], Evidence]
# Whoever reads checkpoints, entries and paths sees these. Without notes, `signature` is not seen.
TREE: tuple[Damage, ...] = (entry, path, short_path, swapped, root, size, forked)
# Whoever reads tiles and proofs of consistency sees these too.
FILES: tuple[Damage, ...] = (tile, consistency)


def cosigned(evidence: Evidence) -> Evidence:
    """Every checkpoint with lines of other keys around the log's own: under its name, and a witness's.

    A client without the keys ignores these lines, so any bytes of the right length will do: an ML-DSA-44
    signature of the log, and a witness's Ed25519 cosignature, each with its time (C2SP tlog-cosignature).
    """
    log = SignatureLine(evidence.verifier.name, b"\x06log", bytes(8 + 2420)).text.encode()
    witness = SignatureLine("witness.example", b"\x04wit", bytes(8 + 64)).text.encode()

    def change(note: bytes) -> bytes:
        text, _, lines = note.rpartition(b"\n\n")
        return text + b"\n\n" + log + lines + witness

    files = {
        name: change(data) if name.startswith("checkpoint") else data for name, data in evidence.files.items()
    }
    return replace(evidence, files=files)


def _file(evidence: Evidence, name: str, change: Callable[[bytes], bytes]) -> Evidence:
    return replace(evidence, files={**evidence.files, name: change(evidence.files[name])})


def _note(evidence: Evidence, change: Callable[[bytes], bytes]) -> Evidence:
    return _file(evidence, f"checkpoint.{evidence.sizes[-1]}", change)


def _line(evidence: Evidence, number: int, change: Callable[[bytes], bytes]) -> Evidence:
    def changed(note: bytes) -> bytes:
        lines = note.split(b"\n")
        lines[number] = change(lines[number])
        return b"\n".join(lines)

    return _note(evidence, changed)


def _paths(evidence: Evidence, change: Callable[[list[HashPath]], list[HashPath]]) -> Evidence:
    last = evidence.sizes[-1]
    return replace(evidence, inclusion={**evidence.inclusion, last: change(list(evidence.inclusion[last]))})
