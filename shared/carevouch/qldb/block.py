"""One block of a QLDB journal, checked against its own hashes.

`entriesHash` is the root over `entriesHashList`, `blockHash` the `dot` of it and of the block's predecessor.
In the list stand, in no order that AWS promised, the Ion Hash of `transactionInfo`, the root over the hashes
of `revisions`, the Ion Hash of `redactionInfo`, and hashes of QLDB's own that nothing exported explains:
`opaque` counts these. So what somebody took out of a block whole looks like QLDB's own. The block's time and
number are in no hash that can be recomputed (the chain gives the order), its transaction's id only where a
revision names it.
(https://docs.aws.amazon.com/qldb/latest/developerguide/journal-contents.html)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.walk import Finding
from carevouch.qldb.ion import hash_in, hash_of, items, member, strange, struct, text
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
    """A block as it was exported; `infos` are its hashed structs by name, those that are there.

    `strange`: it has members that no hash covers.
    """

    address: Address
    hash: bytes
    previous: bytes
    entries_hash: bytes
    entries: tuple[bytes, ...]
    transaction: str
    infos: dict[str, Any]
    revisions: tuple[QldbRevision, ...]
    strange: bool = False

    @property
    def revisions_root(self) -> bytes:
        """What stands for its revisions in the list of entries; empty if it has none."""
        return root([revision.hash for revision in self.revisions])


def read_block(value: Any) -> QldbBlock:
    """A block out of Ion; raises `Malformed`. Nothing is checked but its shape."""
    found = struct(value, "a block")
    infos = {name: member(found, name) for name in ("transactionInfo", "redactionInfo")}
    return QldbBlock(
        address=read_address(member(found, "blockAddress")),
        hash=hash_in(found, "blockHash", "a block"),
        previous=_previous(member(found, "previousBlockHash")),
        entries_hash=hash_in(found, "entriesHash", "a block"),
        entries=tuple(hash_of(item, "an entry") for item in items(found, "entriesHashList", "a block")),
        transaction=text(found, "transactionId", "a block"),
        infos={name: info for name, info in infos.items() if info is not None},
        revisions=tuple(read_revision(item) for item in items(found, "revisions", "a block")),
        strange=strange(found, _MEMBERS),
    )


def _previous(value: Any) -> bytes:
    """Empty where there is none: the first block of all follows nothing."""
    return b"" if value is None or value == b"" else hash_of(value, "a block's previousBlockHash")


def check_block(block: QldbBlock) -> None:
    """Raise `IntegrityFault` with the first thing that is wrong in a block, if anything is."""
    for finding in findings_in(block):
        raise IntegrityFault(finding.message)


def opaque(block: QldbBlock) -> int:
    """How many of its entries are here by their hash alone."""
    shown = len(block.infos) + bool(block.revisions)
    return len(block.entries) - shown + sum(revision.hash_only for revision in block.revisions)


def findings_in(block: QldbBlock) -> Iterator[Finding]:
    """All that is wrong inside a block."""
    if block.strange:
        yield _finding("member", block, "the block has a member that no hash of it covers")
    yield from _findings_in_revisions(block)
    for where, name, hash_ in _explained(block):
        if hash_ not in block.entries:
            yield _finding(where, block, f"the hash of {name} is not in the block's list of entries")
    if root(block.entries) != block.entries_hash:
        yield _finding("entries", block, "the entriesHash is not that of its list of entries")
    if dot(block.entries_hash, block.previous) != block.hash:
        yield _finding("block", block, "the blockHash is not that of its entries and its predecessor")


def _explained(block: QldbBlock) -> Iterator[tuple[str, str, bytes]]:
    if block.revisions:
        yield "revisions", "its revisions", block.revisions_root
    for name, info in block.infos.items():
        try:
            yield name, name, ion_hash(info)
        except Malformed:
            yield name, name, b""


def _findings_in_revisions(block: QldbBlock) -> Iterator[Finding]:
    for at, revision in enumerate(block.revisions):
        try:
            check_revision(revision)
            _check_place(block, revision)
        except (IntegrityFault, Malformed) as fault:
            yield Finding("revision", f"{block.address}, revision {at}", fault.message)


def _check_place(block: QldbBlock, revision: QldbRevision) -> None:
    if revision.address is not None and revision.address != block.address:
        raise IntegrityFault("it names another block as its own")
    if not revision.hash_only and revision.transaction != block.transaction:
        raise IntegrityFault("its transaction is not the block's")


def _finding(code: str, block: QldbBlock, message: str) -> Finding:
    return Finding(code, str(block.address), message)
