"""A revision of an exported block or GetRevision: metadata, data, and the hash of both.

Its hash is `dot(IonHash(metadata), IonHash(data))`. After a redaction `dataHash` stands for the data. The
last revision of a deleted document has no data. QLDB's own revisions are a hash alone. So is a revision that
somebody stripped. The content of either cannot be checked. The hash does not cover the block's address.
(https://docs.aws.amazon.com/qldb/latest/developerguide/journal-contents.html)
"""

from dataclasses import dataclass
from typing import Any

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.qldb.ion import has_other_members, hash_in, hash_of, member, number, struct, text
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.tree import dot

_MEMBERS = frozenset({"blockAddress", "hash", "data", "dataHash", "metadata"})
# Every reader of JSON can hold this number, and no journal ever came near it.
_MAX_NUMBER = 2**53 - 1
_NO_HASH = b""
# The Ion Hash of `null`.
_HASH_OF_NULL = sha256(b"\x0b\x0f\x0e")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The place of a block: its strand, and its number there, from 0."""

    strand: str
    number: int

    def __str__(self) -> str:
        return f"block {self.strand}/{self.number}"


@dataclass(frozen=True, slots=True)
class QldbRevision:
    """One revision; `metadata` and `data` are Ion values, None where they are absent.

    `has_unhashed_members`: it has members that its hash does not cover.
    """

    hash: bytes
    address: Address | None
    metadata: Any
    data: Any
    data_hash: bytes
    has_unhashed_members: bool = False

    @property
    def hash_only(self) -> bool:
        """Whether only its hash is here."""
        return self.metadata is None

    @property
    def redacted(self) -> bool:
        """Whether a hash stands for its data."""
        return bool(self.data_hash)

    @property
    def transaction(self) -> str:
        """The id of its transaction, which its hash covers; empty for a hash alone."""
        return "" if self.metadata is None else text(self.metadata, "txId", "the metadata of a revision")


def read_address(value: Any) -> Address:
    """A block's address; raises `Malformed`."""
    address = struct(value, "a block's address")
    at = number(address, "sequenceNo", "an address")
    if at > _MAX_NUMBER:
        raise Malformed("an address has a sequenceNo above those that QLDB gave")
    return Address(text(address, "strandId", "an address"), at)


def read_revision(value: Any) -> QldbRevision:
    """A revision out of Ion; raises `Malformed`."""
    revision = struct(value, "a revision")
    address, metadata = member(revision, "blockAddress"), member(revision, "metadata")
    data_hash = member(revision, "dataHash")
    # A null may be the data that was hashed, unless a hash stands in its place.
    data = revision.get("data") if data_hash is None else member(revision, "data")
    return QldbRevision(
        hash=hash_in(revision, "hash", "a revision"),
        address=None if address is None else read_address(address),
        metadata=None if metadata is None else struct(metadata, "the metadata of a revision"),
        data=data,
        data_hash=_NO_HASH if data_hash is None else hash_of(data_hash, "a revision's dataHash"),
        has_unhashed_members=has_other_members(revision, _MEMBERS),
    )


def check_revision(revision: QldbRevision) -> None:
    """Raise `IntegrityFault` unless its hash is that of its content. A hash alone passes."""
    if revision.has_unhashed_members:
        raise IntegrityFault("it has a member that its hash does not cover")
    if revision.hash_only:
        if revision.data is not None or revision.data_hash:
            raise IntegrityFault("it has data and no metadata, so its hash cannot be checked")
        return
    if revision.data is not None and revision.data_hash:
        raise IntegrityFault("it has data and a hash in place of its data")
    metadata = ion_hash(revision.metadata)
    if revision.data is not None:
        data_hashes = [ion_hash(revision.data)]
    elif revision.data_hash:
        data_hashes = [revision.data_hash]
    else:
        # AWS never said which hash stands for no data: either one proves that there is none.
        data_hashes = [_NO_HASH, _HASH_OF_NULL]
    if all(dot(metadata, data) != revision.hash for data in data_hashes):
        raise IntegrityFault("its hash is not that of its metadata and data")
