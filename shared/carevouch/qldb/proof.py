"""Proofs that QLDB gave: digests from GetDigest, proofs from GetRevision and GetBlock.

A digest is the root over the hashes of blocks 0 to its tip. AWS never wrote that down, but its published
proofs have exactly the hashes of such a tree. A proof lists the hashes that lead from a revision or block to
a digest (`tree`). It shows that the digest covers the item, and not where. So a revision's address is
believed only if a journal has the revision there. Digests are not signed. A digest is worth as much as the
place that kept it. (https://docs.aws.amazon.com/qldb/latest/developerguide/verification.html)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from carevouch.kernel.encoding import unb64
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.walk import Finding
from carevouch.qldb.block import check_block, read_block
from carevouch.qldb.ion import hash_of, member, only_value, struct
from carevouch.qldb.journal import Journal
from carevouch.qldb.revision import Address, check_revision, read_address, read_revision
from carevouch.qldb.tree import digest_from_proof

# The longest true proof: out of a block of any size, and up through 2^64 blocks.
MAX_PROOF = 128


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest and the last block that it covers."""

    hash: bytes
    tip: Address


@dataclass(frozen=True, slots=True)
class Proof:
    """A revision or a block, checked by itself, and its proof."""

    what: str
    address: Address
    leaf: bytes
    hashes: tuple[bytes, ...]


def read_digest(source: bytes) -> Digest:
    """A digest as GetDigest answers (JSON) or as the console saved it (Ion). Raises `Malformed`."""
    answer = struct(only_value(source, "the digest"), "the digest")
    hash_ = _first_member(answer, "Digest", "digest")
    if isinstance(hash_, str):
        hash_ = unb64(str(hash_), "the digest")
    tip = _ion_value(_first_member(answer, "DigestTipAddress", "digestTipAddress"), "the digest's tip")
    return Digest(hash_of(hash_, "the digest"), read_address(tip))


def read_proof(source: bytes) -> Proof:
    """A proof as GetRevision or GetBlock answers, in JSON. Its revision or block is checked by its hash.

    Raises `Malformed`. Raises `IntegrityFault` for a revision or block with another hash.
    """
    try:
        return _read_proof(source, exact=False)
    except (IntegrityFault, Malformed):
        # Only the exact parser may call it wrong (`ion`).
        return _read_proof(source, exact=True)


def findings_in_digest(digest: Digest, journal: Journal) -> Iterator[Finding]:
    """A finding if the journal has another digest at this tip, or cannot be compared."""
    strand = journal.strands.get(digest.tip.strand)
    if strand is None or digest.tip.number not in strand.links:
        yield Finding(
            "digest", str(digest.tip), "the digest ends with this block, which is not in the export"
        )
        return
    hash_ = strand.digest_at(digest.tip.number)
    if hash_ is None:
        message = "the digest covers blocks from 0 that are not all in the export, so it cannot be compared"
        yield Finding("digest", str(digest.tip), message)
    elif hash_ != digest.hash:
        yield Finding("digest", str(digest.tip), "the blocks up to this one do not have the digest")


def findings_in_proof(name: str, proof: Proof, digest: Digest, journal: Journal) -> Iterator[Finding]:
    """Findings if the proof does not lead to the digest, or the journal disagrees with it.

    The journal must have been walked with the proof's address in `watch`.
    """
    if proof.address.strand != digest.tip.strand or proof.address.number > digest.tip.number:
        yield Finding("proof", name, f"the {proof.what} is not among the blocks that the digest covers")
    if digest_from_proof(proof.leaf, proof.hashes) != digest.hash:
        yield Finding("proof", name, f"the proof does not lead from the {proof.what} to the digest")
    link = journal.link(proof.address)
    if link is None:
        yield Finding("proof", name, f"{proof.address} is not in the export")
    elif proof.leaf not in (link.revisions if proof.what == "revision" else (link.hash,)):
        yield Finding("proof", name, f"{proof.address} of the export does not hold this {proof.what}")


def _read_proof(source: bytes, *, exact: bool) -> Proof:
    answer = struct(only_value(source, "the proof"), "the proof")
    listed = _ion_value(_first_member(answer, "Proof", "proof"), "the list of hashes")
    if not isinstance(listed, list) or len(listed) > MAX_PROOF:
        raise Malformed(f"a proof is a list of at most {MAX_PROOF} hashes")
    hashes = tuple(hash_of(item, "a hash of the proof") for item in listed)
    text = _first_member(answer, "Revision", "revision")
    if text is None:
        block = read_block(_ion_value(_first_member(answer, "Block", "block"), "the block", exact=exact))
        check_block(block)
        return Proof("block", block.address, block.hash, hashes)
    revision = read_revision(_ion_value(text, "the revision", exact=exact))
    if revision.address is None or revision.hash_only:
        raise Malformed("a revision without its address and metadata cannot be proved")
    check_revision(revision)
    return Proof("revision", revision.address, revision.hash, hashes)


def _first_member(value: Any, *names: str) -> Any:
    """The first of these members that a struct has, or None."""
    return next((item for name in names if (item := member(value, name)) is not None), None)


def _ion_value(value: Any, what: str, *, exact: bool = False) -> Any:
    """The Ion value that an answer of the API holds as text, in `IonText`."""
    inner = member(value, "IonText") if hasattr(value, "iteritems") else value
    item = value if inner is None else inner
    return only_value(item.encode(), what, exact=exact) if isinstance(item, str) else item
