"""A revision as an exported block or GetRevision holds it: metadata, data, and the hash of both.

Its hash is `dot(IonHash(metadata), IonHash(data))`. After a redaction `dataHash` stands for the data; a
deleted document's last revision has none; QLDB's own revisions are a hash alone, and so is any revision
somebody took the rest from: what such a one said cannot be checked. The block's address beside it is no part
of the hash. (https://docs.aws.amazon.com/qldb/latest/developerguide/journal-contents.html)
"""

from dataclasses import dataclass
from typing import Any

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.qldb.ion import hash_in, hash_of, member, number, strange, struct, text
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.tree import dot

_MEMBERS = frozenset({"blockAddress", "hash", "data", "dataHash", "metadata"})
# What every reader of JSON can hold; no journal ever came near.
_MAX_NUMBER = 2**53 - 1
_NO_HASH = b""
# The Ion Hash of `null`.
_HASH_OF_NULL = sha256(b"\x0b\x0f\x0e")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a block is: its strand, and its number there, from 0."""

    strand: str
    number: int

    def __str__(self) -> str:
        return f"block {self.strand}/{self.number}"


@dataclass(frozen=True, slots=True)
class QldbRevision:
    """One revision; `metadata` and `data` are Ion values, None where they are absent.

    `strange`: it has members beside those that its hash covers.
    """

    hash: bytes
    address: Address | None
    metadata: Any
    data: Any
    data_hash: bytes
    strange: bool = False

    @property
    def hash_only(self) -> bool:
        """Nothing but its hash is here."""
        return self.metadata is None

    @property
    def redacted(self) -> bool:
        """A hash stands for its data."""
        return bool(self.data_hash)

    @property
    def transaction(self) -> str:
        """The id of its transaction, which its hash covers; empty for a hash alone."""
        return "" if self.metadata is None else text(self.metadata, "txId", "the metadata of a revision")


def read_address(value: Any) -> Address:
    """A block's address; raises `Malformed`."""
    found = struct(value, "a block's address")
    at = number(found, "sequenceNo", "an address")
    if at > _MAX_NUMBER:
        raise Malformed("an address has a sequenceNo above those that QLDB gave")
    return Address(text(found, "strandId", "an address"), at)


def read_revision(value: Any) -> QldbRevision:
    """A revision out of Ion; raises `Malformed`."""
    found = struct(value, "a revision")
    address, metadata = member(found, "blockAddress"), member(found, "metadata")
    data_hash = member(found, "dataHash")
    # A null may be what was hashed, unless a hash is there in its place.
    data = found.get("data") if data_hash is None else member(found, "data")
    return QldbRevision(
        hash=hash_in(found, "hash", "a revision"),
        address=None if address is None else read_address(address),
        metadata=None if metadata is None else struct(metadata, "the metadata of a revision"),
        data=data,
        data_hash=_NO_HASH if data_hash is None else hash_of(data_hash, "a revision's dataHash"),
        strange=strange(found, _MEMBERS),
    )


def check_revision(revision: QldbRevision) -> None:
    """Raise `IntegrityFault` unless its hash is that of what it says; a hash alone says nothing."""
    if revision.strange:
        raise IntegrityFault("it has a member that its hash does not cover")
    if revision.hash_only:
        if revision.data is not None or revision.data_hash:
            raise IntegrityFault("it has data and no metadata, so its hash cannot be checked")
        return
    if revision.data is not None and revision.data_hash:
        raise IntegrityFault("it has data and a hash in place of its data")
    metadata = ion_hash(revision.metadata)
    if all(dot(metadata, data) != revision.hash for data in _data_hashes(revision)):
        raise IntegrityFault("its hash is not that of its metadata and data")


def _data_hashes(revision: QldbRevision) -> tuple[bytes, ...]:
    """What may stand for the data. AWS never said what does for none: nothing or a null, both bind that."""
    if revision.data is not None:
        return (ion_hash(revision.data),)
    return (revision.data_hash,) if revision.data_hash else (_NO_HASH, _HASH_OF_NULL)
