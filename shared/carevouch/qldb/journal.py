"""A journal as QLDB exported it: every block against its own hashes, and block to block, strand by strand.

The objects of an export may lie in any order; blocks are put in the order of their numbers. Findings are
data, and the walk goes on after one. A journal that passes is a chain without a gap from its first block here
to its last; that these are the first and the last ever written takes a digest (`proof`) or a manifest
(`manifest`). Nobody signed any of it: who can write all the objects anew can make a journal that passes, so
it is a digest kept elsewhere that makes a chain mean anything.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from carevouch.kernel.errors import Malformed
from carevouch.ledger.walk import Finding, Findings, Progress
from carevouch.qldb.block import QldbBlock, findings_in, opaque, read_block
from carevouch.qldb.ion import is_binary, values
from carevouch.qldb.revision import Address
from carevouch.qldb.tree import root

# What QLDB calls an object: its strand, its first block and its last.
_NAME = re.compile(r"(?:.*/)?([0-9A-Za-z]+)\.([0-9]+)-([0-9]+)\.ion")


@dataclass(frozen=True, slots=True)
class Source:
    """An exported object: its name below the export, and how its bytes are read."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """What is kept of a block that was checked; of its revisions' hashes only where they were asked for."""

    address: Address
    hash: bytes
    previous: bytes
    revisions: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Counts:
    """What the blocks of a journal hold. `opaque`: entries, revisions or not, that are a hash alone."""

    blocks: int = 0
    revisions: int = 0
    redacted: int = 0
    opaque: int = 0

    def add(self, block: QldbBlock) -> None:
        """Count one block."""
        self.blocks += 1
        self.revisions += len(block.revisions)
        self.redacted += sum(revision.redacted for revision in block.revisions)
        self.opaque += opaque(block)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.blocks + other.blocks,
            self.revisions + other.revisions,
            self.redacted + other.redacted,
            self.opaque + other.opaque,
        )


@dataclass(frozen=True, slots=True)
class JournalStrand:
    """The blocks of one strand by their numbers, each once."""

    name: str
    links: dict[int, Link]

    @property
    def first(self) -> int:
        """The number of its first block here."""
        return min(self.links)

    @property
    def tip(self) -> int:
        """The number of its last block here."""
        return max(self.links)

    def digest_at(self, number: int) -> bytes | None:
        """The digest when block `number` was the last; None where a block before it is not here."""
        if number >= len(self.links) or not all(at in self.links for at in range(number + 1)):
            return None
        return root([self.links[at].hash for at in range(number + 1)])


@dataclass
class Journal(Findings):
    """What a walk through a journal saw."""

    strands: dict[str, JournalStrand] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def link(self, address: Address) -> Link | None:
        """The block at an address, if it is here."""
        strand = self.strands.get(address.strand)
        return strand.links.get(address.number) if strand else None


def verify_journal(
    sources: Sequence[Source], *, watch: Collection[Address] = (), progress: Progress | None = None
) -> Journal:
    """Check every block of every object, and that each follows the one before it.

    `watch` are the blocks whose revisions' hashes are kept; `progress` is told of objects. Raises what
    `Source.read` does, and nothing for what the objects hold.
    """
    journal, links = Journal(), list[Link]()
    for done, source in enumerate(sources, 1):
        seen = _seen(source.name, source.read(), watch)
        links += seen.links
        for finding in seen.findings:
            journal.find(finding.code, finding.where, finding.message)
        journal.counts += seen.counts
        if progress is not None:
            progress(done, len(sources))
    _chain(journal, links)
    return journal


@dataclass(slots=True)
class _Seen:
    """What one object holds."""

    links: list[Link] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    findings: list[Finding] = field(default_factory=list)


def _seen(name: str, data: bytes, watch: Collection[Address]) -> _Seen:
    """By the fast parser; what is wrong by that one is asked of the exact one before it is believed."""
    seen = _read(name, values(data), watch)
    if seen.findings and not is_binary(data):
        return _read(name, values(data, exact=True), watch)
    return seen


def _read(name: str, blocks: Iterable[Any], watch: Collection[Address]) -> _Seen:
    seen, at = _Seen(), 0
    try:
        for value in blocks:
            at += 1
            _take(seen, name, at, value, watch)
    except Malformed as error:
        message = f"{error.message}; nothing after its block {at} was checked"
        seen.findings.append(Finding("object", name, message))
    _check_name(seen, name)
    return seen


def _take(seen: _Seen, name: str, at: int, value: Any, watch: Collection[Address]) -> None:
    try:
        block = read_block(value)
    except Malformed as error:
        seen.findings.append(Finding("shape", f"{name}, block {at} of it", error.message))
        return
    seen.counts.add(block)
    seen.findings += findings_in(block)
    hashes = tuple(revision.hash for revision in block.revisions) if block.address in watch else ()
    seen.links.append(Link(block.address, block.hash, block.previous, hashes))


def _check_name(seen: _Seen, name: str) -> None:
    """The name says which blocks it holds: so one cannot be cut off at an end, nor put among others."""
    said = _NAME.fullmatch(name)
    if not said:
        seen.findings.append(Finding("name", name, "this is no name that QLDB gives an object"))
        return
    strand, first, last = said[1], int(said[2]), int(said[3])
    named = [Address(strand, number) for number in (first, last)]
    if not seen.links or [seen.links[0].address, seen.links[-1].address] != named:
        message = f"its blocks are not {first} to {last} of strand {strand}, as its name says"
        seen.findings.append(Finding("name", name, message))


def _chain(journal: Journal, links: Iterable[Link]) -> None:
    """Put the blocks in order and check that each follows."""
    for link in sorted(links, key=lambda link: link.address):
        name, number = link.address.strand, link.address.number
        strand = journal.strands.setdefault(name, JournalStrand(name, {}))
        before = strand.links.setdefault(number, link)
        if before is not link:
            _again(journal, before, link)
    for strand in journal.strands.values():
        for before, after in pairwise(strand.links.values()):
            _follow(journal, before, after)


def _again(journal: Journal, before: Link, link: Link) -> None:
    if before.hash == link.hash:
        message = "the block is there twice (verify overlapping exports each for itself)"
        journal.find("repeated", str(link.address), message)
    else:
        journal.find("fork", str(link.address), "two different blocks have this number")


def _follow(journal: Journal, before: Link, after: Link) -> None:
    first, last = before.address.number + 1, after.address.number - 1
    if first <= last:
        which = f"block {last} before it is" if first == last else f"blocks {first} to {last} before it are"
        journal.find("gap", str(after.address), f"{which} not in the export")
    elif after.previous != before.hash:
        message = f"its previousBlockHash is not the hash of block {before.address.number}"
        journal.find("chain", str(after.address), message)
