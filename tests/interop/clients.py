"""Two verifiers that other people wrote in Python, each driven over a log: sigstore-python and pymerkle.

A driver hands over exactly what the log published and our proofs, and counts what the client accepted. It
raises `Refused` as soon as the client refuses, and checks nothing itself.
"""

from base64 import b64encode
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pymerkle as library
from pymerkle.proof import InvalidProof
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore._internal.trust import Keyring, RekorKeyring
from sigstore.errors import VerificationError
from sigstore_models.common.v1 import PublicKey, PublicKeyDetails

from carevouch.kernel.encoding import sha256
from carevouch.ledger.note import ED25519
from tests.interop.evidence import Evidence

# SubjectPublicKeyInfo of an Ed25519 key: this, and its 32 bytes (RFC 8410 section 4).
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


class Refused(Exception):
    """The client did not accept what it was shown."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of what a client verified."""

    checkpoints: int = 0
    inclusions: int = 0
    consistencies: int = 0


def sigstore_python(evidence: Evidence) -> Counts:
    """Every checkpoint with its signature, and every entry under each checkpoint.

    sigstore-python knows no proofs of consistency: Rekor's clients have no use for them.
    """
    key = PublicKey(
        raw_bytes=b64encode(ED25519_SPKI + evidence.verifier.public),
        key_details=PublicKeyDetails.PKIX_ED25519,
    )
    keyring = RekorKeyring(Keyring([key]))
    entries, inclusions = evidence.entries, 0
    try:
        for size in evidence.sizes:
            entry = _rekor_entry(evidence, size)
            verify_checkpoint(keyring, entry)
            for index, body in enumerate(entries[:size]):
                entry._inner.inclusion_proof.log_index = index
                entry._inner.inclusion_proof.hashes = list(evidence.inclusion[size][index])
                entry._inner.canonicalized_body = body
                verify_merkle_inclusion(entry)
                inclusions += 1
    except VerificationError as error:
        raise Refused(str(error)) from error
    return Counts(len(evidence.sizes), inclusions)


def _rekor_entry(evidence: Evidence, size: int) -> Any:
    """The members that sigstore reads of a transparency log entry; size and root are the checkpoint's."""
    envelope = evidence.note(size).decode("utf-8")
    head = SignedCheckpoint.from_text(envelope).checkpoint
    proof = SimpleNamespace(
        checkpoint=SimpleNamespace(envelope=envelope),
        root_hash=bytes.fromhex(head.log_hash),
        tree_size=head.log_size,
    )
    verifier = evidence.verifier
    log_id = sha256(verifier.name.encode() + b"\n" + bytes([ED25519]) + verifier.public)
    return SimpleNamespace(
        _inner=SimpleNamespace(inclusion_proof=proof, log_id=SimpleNamespace(key_id=log_id))
    )


def pymerkle(evidence: Evidence) -> Counts:
    """Every root, every entry under each of them, and consistency between every two.

    pymerkle knows no signed notes: it confirms size and root of a checkpoint, which sigstore takes apart for
    it. Its paths list the leaf first, which RFC 6962 leaves to the verifier; otherwise they are ours. Its
    proofs of consistency go down to single leaves and so are not RFC 6962's: it makes them itself, out of the
    entries, and verifies them between the checkpoints' roots.
    """
    untyped: Any = library
    tree = untyped.InmemoryTree(algorithm="sha256")
    for entry in evidence.entries:
        tree.append_entry(entry)
    heads = {size: _head(evidence, size) for size in evidence.sizes}
    inclusions = consistencies = 0
    try:
        for size, (named, root) in heads.items():
            for index, path in enumerate(evidence.inclusion[size]):
                leaf, proof = tree.get_leaf(index + 1), tree.prove_inclusion(index + 1, size)
                proof.path = [leaf, *path]
                untyped.verify_inclusion(leaf, root, proof, index=index + 1, size=named)
                inclusions += 1
        for old, new in evidence.consistency:
            (old_size, old_root), (new_size, new_root) = heads[old], heads[new]
            proof = tree.prove_consistency(old, new)
            untyped.verify_consistency(old_root, new_root, proof, prior_size=old_size, later_size=new_size)
            consistencies += 1
    except InvalidProof as error:
        raise Refused(str(error)) from error
    return Counts(len(heads), inclusions, consistencies)


def _head(evidence: Evidence, size: int) -> tuple[int, bytes]:
    head = SignedCheckpoint.from_text(evidence.note(size).decode("utf-8")).checkpoint
    return head.log_size, bytes.fromhex(head.log_hash)
