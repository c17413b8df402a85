"""What QLDB proved while it ran: digests from GetDigest, proofs from GetRevision and GetBlock.

A digest is the root over the hashes of all blocks from number 0 to its tip. AWS never wrote that down; the
proofs that it published have just the hashes such a tree asks for. A proof is a list of hashes that lead from
a revision or a block to a digest (`tree`), so it shows that the digest covers the thing, and not where: the
address beside a revision is believed only where a journal has the same revision at it. Digests are not
signed: one is worth what the place is worth where it was kept.
(https://docs.aws.amazon.com/qldb/latest/developerguide/verification.html)
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
from carevouch.qldb.tree import climbed

# The way up through 2^64 blocks, after that out of a block of any size; no true proof is longer.
MAX_PROOF = 128


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest and the last block that it covers."""

    hash: bytes
    tip: Address


@dataclass(frozen=True, slots=True)
class Proof:
    """A revision or a block, checked by itself, and the hashes that lead from it to a digest."""

    what: str
    address: Address
    leaf: bytes
    hashes: tuple[bytes, ...]


def read_digest(source: bytes) -> Digest:
    """A digest as GetDigest answers (JSON) or as the console saved it (Ion); raises `Malformed`."""
    found = struct(only_value(source, "the digest"), "the digest")
    hash_ = _either(found, "Digest", "digest")
    if isinstance(hash_, str):
        hash_ = unb64(str(hash_), "the digest")
    tip = _held(_either(found, "DigestTipAddress", "digestTipAddress"), "the digest's tip")
    return Digest(hash_of(hash_, "the digest"), read_address(tip))


def read_proof(source: bytes) -> Proof:
    """A proof as GetRevision or GetBlock answers, in JSON; the thing itself is checked by its own hash.

    Raises `Malformed`; `IntegrityFault` for a thing that does not match its hash.
    """
    try:
        return _proof(source, exact=False)
    except (IntegrityFault, Malformed):
        # Only the exact parser may say so (`ion`).
        return _proof(source, exact=True)


def findings_in_digest(digest: Digest, journal: Journal) -> Iterator[Finding]:
    """Whether the journal, up to the digest's tip, has this digest; one that cannot be compared has not."""
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
    """Whether the proof leads to the digest, and the journal has the thing where it says it was.

    The journal must have been walked with the proof's address among those to `watch`.
    """
    if proof.address.strand != digest.tip.strand or proof.address.number > digest.tip.number:
        yield Finding("proof", name, f"the {proof.what} is not among the blocks that the digest covers")
    if climbed(proof.leaf, proof.hashes) != digest.hash:
        yield Finding("proof", name, f"the proof does not lead from the {proof.what} to the digest")
    link = journal.link(proof.address)
    if link is None:
        yield Finding("proof", name, f"{proof.address} is not in the export")
    elif proof.leaf not in (link.revisions if proof.what == "revision" else (link.hash,)):
        yield Finding("proof", name, f"{proof.address} of the export does not hold this {proof.what}")


def _proof(source: bytes, *, exact: bool) -> Proof:
    found = struct(only_value(source, "the proof"), "the proof")
    hashes = _hashes(_held(_either(found, "Proof", "proof"), "the list of hashes"))
    revision = _either(found, "Revision", "revision")
    if revision is not None:
        return _of_revision(_held(revision, "the revision", exact=exact), hashes)
    block = read_block(_held(_either(found, "Block", "block"), "the block", exact=exact))
    check_block(block)
    return Proof("block", block.address, block.hash, hashes)


def _of_revision(value: Any, hashes: tuple[bytes, ...]) -> Proof:
    revision = read_revision(value)
    if revision.address is None or revision.hash_only:
        raise Malformed("a revision without its address and metadata cannot be proved")
    check_revision(revision)
    return Proof("revision", revision.address, revision.hash, hashes)


def _hashes(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF:
        raise Malformed(f"a proof is a list of at most {MAX_PROOF} hashes")
    return tuple(hash_of(item, "a hash of the proof") for item in value)


def _either(value: Any, *names: str) -> Any:
    """The member by whichever of its names it has."""
    return next((found for name in names if (found := member(value, name)) is not None), None)


def _held(value: Any, what: str, *, exact: bool = False) -> Any:
    """The Ion value that an answer of the API holds as text, in `IonText`."""
    inner = member(value, "IonText") if hasattr(value, "iteritems") else value
    held = value if inner is None else inner
    return only_value(held.encode(), what, exact=exact) if isinstance(held, str) else held
