"""The chain of proofs: an entry in its log, and that log's checkpoint as an entry of the log above it.

Two standard tlog-proofs prove an event: one of the event in its strand, and one of the strand's checkpoint,
with its one Ed25519 line, in the super-log. So a witness that cosigns the super-log covers every strand. A
proof does not name its entry; the verifier tries the entries that it was given.
"""

from collections.abc import Sequence

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import InclusionFault, leaf_hash, verify_inclusion
from carevouch.ledger.note import Verifier
from carevouch.ledger.proof import TlogProof
from carevouch.ledger.superlog import super_entry


def matching(proof: TlogProof, checkpoint: Checkpoint, entries: Sequence[bytes]) -> list[int]:
    """The places in the list of the entries that the proof proves; equal entries all count.

    `checkpoint` is the proof's own, verified. The list is empty if the proof is of another entry.
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
    """The super-log's entry for the checkpoint in a strand's proof. `verifier` is the strand's key.

    Raises `NoteFault` or `CheckpointFault`.
    """
    return super_entry(proof.checkpoint, verifier)
