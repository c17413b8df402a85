"""The chain of proofs: an entry in its log, and that log's checkpoint as an entry of the log above it.

One event is shown by two standard tlog-proofs: of the event in its strand, and of the strand's checkpoint,
verbatim with its one Ed25519 line, in the super-log. What witnesses cosign above thereby covers what is
below. A proof does not say what it is about: that is found by trying what was given.
"""

from collections.abc import Sequence

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import InclusionFault, leaf_hash, verify_inclusion
from carevouch.ledger.note import Verifier
from carevouch.ledger.proof import TlogProof
from carevouch.ledger.superlog import super_entry


def matching(proof: TlogProof, checkpoint: Checkpoint, entries: Sequence[bytes]) -> list[int]:
    """Which of the entries the proof is about, by their places in the list; equal ones are all named.

    `checkpoint` is the proof's own, verified. An empty list is a proof of something else.
    """
    found = []
    for number, entry in enumerate(entries):
        try:
            verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.path, checkpoint.root)
        except InclusionFault:
            continue
        found.append(number)
    return found


def entry_above(proof: TlogProof, verifier: Verifier) -> bytes:
    """The entry that the checkpoint of a strand's proof is in the super-log; `verifier` is the strand's.

    Raises `NoteFault` or `CheckpointFault`.
    """
    return super_entry(proof.checkpoint, verifier)
