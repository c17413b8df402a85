"""One block of a QLDB journal, checked against its own hashes.

`entriesHash` is the root over `entriesHashList`. `blockHash` is the `dot` of it and of the hash of the block
before. AWS promised no order for the list. It holds the Ion Hashes of `transactionInfo` and `redactionInfo`,
and the root over the hashes of `revisions`. It also holds hashes of QLDB's own, which no exported part
explains. `opaque` counts these. So a part that somebody removed whole looks like an entry of QLDB's own. No
hash that can be recomputed covers the block's time and number. The chain gives the order. The transaction's
id is covered only where a revision names it.
(https://docs.aws.amazon.com/qldb/latest/developerguide/journal-contents.html)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.walk import Finding
from carevouch.qldb.ion import has_other_members, hash_in, hash_of, items, member, struct, text
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.revision import Address, QldbRevision, check_revision, read_address, read_revision
from carevouch.qldb.tree import dot, root

_MEMBERS = frozenset(
    {
        "blockAddress",
        "transactionId",
        "blockTimestamp",
        "blockHash",
        "entriesHash",
        "previousBlockHash",
        "entriesHashList",
        "transactionInfo",
        "redactionInfo",
        "revisions",
    }
)


@dataclass(frozen=True, slots=True)
class QldbBlock:
    """A block as it was exported. `infos` are its hashed structs, by name.

    `has_unhashed_members`: it has members that no hash covers.
    """

    address: Address
    hash: bytes
    previous: bytes
    entries_hash: bytes
    entries: tuple[bytes, ...]
    transaction: str
    infos: dict[str, Any]
    revisions: tuple[QldbRevision, ...]
    has_unhashed_members: bool = False


def read_block(value: Any) -> QldbBlock:
    """Read a block out of Ion and check only its shape; raises `Malformed`."""
    block = struct(value, "a block")
    infos = {name: member(block, name) for name in ("transactionInfo", "redactionInfo")}
    # The first block of a strand follows no other; its predecessor's hash is absent or empty.
    previous = member(block, "previousBlockHash")
    is_first = previous is None or previous == b""
    return QldbBlock(
        address=read_address(member(block, "blockAddress")),
        hash=hash_in(block, "blockHash", "a block"),
        previous=b"" if is_first else hash_of(previous, "a block's previousBlockHash"),
        entries_hash=hash_in(block, "entriesHash", "a block"),
        entries=tuple(hash_of(item, "an entry") for item in items(block, "entriesHashList", "a block")),
        transaction=text(block, "transactionId", "a block"),
        infos={name: info for name, info in infos.items() if info is not None},
        revisions=tuple(read_revision(item) for item in items(block, "revisions", "a block")),
        has_unhashed_members=has_other_members(block, _MEMBERS),
    )


def check_block(block: QldbBlock) -> None:
    """Raise `IntegrityFault` with the first fault of a block, if it has any."""
    for finding in findings_in(block):
        raise IntegrityFault(finding.message)


def opaque(block: QldbBlock) -> int:
    """The number of its entries that are here as a hash alone."""
    explained = len(block.infos) + bool(block.revisions)
    return len(block.entries) - explained + sum(revision.hash_only for revision in block.revisions)


def findings_in(block: QldbBlock) -> Iterator[Finding]:
    """Every fault inside a block."""
    where = str(block.address)
    if block.has_unhashed_members:
        yield Finding("member", where, "the block has a member that no hash of it covers")
    for at, revision in enumerate(block.revisions):
        try:
            _check_revision_of(block, revision)
        except (IntegrityFault, Malformed) as fault:
            yield Finding("revision", f"{where}, revision {at}", fault.message)
    if block.revisions and root([revision.hash for revision in block.revisions]) not in block.entries:
        yield Finding("revisions", where, "the hash of its revisions is not in the block's list of entries")
    for name, info in block.infos.items():
        try:
            is_listed = ion_hash(info) in block.entries
        except Malformed:
            is_listed = False
        if not is_listed:
            yield Finding(name, where, f"the hash of {name} is not in the block's list of entries")
    if root(block.entries) != block.entries_hash:
        yield Finding("entries", where, "the entriesHash is not that of its list of entries")
    if dot(block.entries_hash, block.previous) != block.hash:
        yield Finding("block", where, "the blockHash is not that of its entries and its predecessor")


def _check_revision_of(block: QldbBlock, revision: QldbRevision) -> None:
    """Raise `IntegrityFault` unless the revision has its hash and names this block and transaction."""
    check_revision(revision)
    if revision.address is not None and revision.address != block.address:
        raise IntegrityFault("it names another block as its own")
    if not revision.hash_only and revision.transaction != block.transaction:
        raise IntegrityFault("its transaction is not the block's")
