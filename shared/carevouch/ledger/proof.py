"""Proof files: C2SP tlog-proof, which show offline that an entry is in a log.

The file holds the entry's index, the path, and a checkpoint verbatim; not the entry itself. There is one
spelling for each proof: a file that differs in any byte from what `render` writes is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carevouch.kernel.encoding import b64, unb64
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.checkpoint import Checkpoint, open_checkpoint
from carevouch.ledger.merkle import HASH_LENGTH, MAX_PATH, verify_inclusion
from carevouch.ledger.note import MAX_NOTE, Verifier

FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class ProofFault(IntegrityFault):
    """A proof file is not one."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`path` runs from the leaf's sibling to the root's child; `checkpoint` is the signed note, verbatim."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def render(proof: TlogProof) -> bytes:
    """The bytes of the file."""
    extra = [] if proof.extra is None else [f"extra {b64(proof.extra)}"]
    lines = [FIRST_LINE, *extra, f"index {proof.index}", *(b64(hash_) for hash_ in proof.path), ""]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + proof.checkpoint


def parse(data: bytes) -> TlogProof:
    """The proof that a file holds; raises `ProofFault` saying which line is wrong. Verifies nothing."""
    head, blank, checkpoint = data[:MAX_NOTE].partition(b"\n\n")
    if not blank or len(data) > MAX_NOTE:
        raise ProofFault("not a tlog-proof: a head, an empty line and a checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofFault("the proof's head is not ASCII") from error
    if lines[0] != FIRST_LINE:
        raise ProofFault(f"the proof's first line is not {FIRST_LINE}")
    rest = lines[1:]
    extra = _decode(rest.pop(0)[6:], "extra line") if rest and rest[0].startswith("extra ") else None
    match = _INDEX.fullmatch(rest[0]) if rest else None
    if not match:
        raise ProofFault("the proof's index line is not of its form")
    proof = TlogProof(int(match[1]), _path(rest[1:]), checkpoint, extra)
    if render(proof) != data:
        raise ProofFault("the proof is not in its one canonical form")
    return proof


def verify(proof: TlogProof, leaf_hash: bytes, verifier: Verifier) -> Checkpoint:
    """The verified checkpoint under which the entry with `leaf_hash` stands at `proof.index`.

    Raises `NoteFault`, `CheckpointFault` or `InclusionFault`, each naming what does not match.
    """
    checkpoint = open_checkpoint(proof.checkpoint, verifier)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash, proof.path, checkpoint.root)
    return checkpoint


def _path(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > MAX_PATH:
        raise ProofFault(f"the proof's path is longer than {MAX_PATH} hashes")
    path = tuple(_decode(line, "path") for line in lines)
    if any(len(hash_) != HASH_LENGTH for hash_ in path):
        raise ProofFault("the proof's path is not a list of 32-byte hashes")
    return path


def _decode(text: str, what: str) -> bytes:
    try:
        return unb64(text, f"the proof's {what}")
    except Malformed as error:
        raise ProofFault(error.message) from error
