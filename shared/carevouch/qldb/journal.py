"""Verification of an exported QLDB journal: each block by its hashes, and each strand as a chain.

The objects of an export may lie in any order. Blocks are sorted by their numbers. Findings are data, and the
walk goes on after one. A journal that passes is a chain without a gap from its first block here to the last.
Only a digest (`proof`) or a manifest (`manifest`) shows that no block is missing at the ends. A journal is
not signed. An attacker who can write all objects anew can make one that passes. So a chain means something
only with a digest that was kept elsewhere.
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

# The name that QLDB gives an object: its strand, its first block and its last.
_NAME = re.compile(r"(?:.*/)?([0-9A-Za-z]+)\.([0-9]+)-([0-9]+)\.ion")


@dataclass(frozen=True, slots=True)
class Source:
    """An exported object: its name below the export, and a function that reads it."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """The part of a checked block that the walk keeps. `revisions` are hashes, of watched blocks only."""

    address: Address
    hash: bytes
    previous: bytes
    revisions: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Counts:
    """The contents of the blocks of a journal. `opaque` counts entries that are a hash alone."""

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
        """The digest when block `number` was the last; None if a block up to it is missing."""
        if number >= len(self.links) or not all(at in self.links for at in range(number + 1)):
            return None
        return root([self.links[at].hash for at in range(number + 1)])


@dataclass
class Journal(Findings):
    """The result of a walk through a journal."""

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

    `watch` are the blocks whose revisions' hashes are kept. `progress` is called for each object. A fault in
    an object is a finding. Only errors of `Source.read` are raised.
    """
    journal, links = Journal(), list[Link]()
    for done, source in enumerate(sources, 1):
        data = source.read()
        report = _read_object(source.name, values(data), watch)
        if report.findings and not is_binary(data):
            # Only the exact parser may call anything wrong (`ion`).
            report = _read_object(source.name, values(data, exact=True), watch)
        links += report.links
        for finding in report.findings:
            journal.find(finding.code, finding.where, finding.message)
        journal.counts += report.counts
        if progress is not None:
            progress(done, len(sources))
    _chain(journal, links)
    return journal


@dataclass(slots=True)
class _ObjectReport:
    """The blocks of one object, and its findings."""

    links: list[Link] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    findings: list[Finding] = field(default_factory=list)


def _read_object(name: str, blocks: Iterable[Any], watch: Collection[Address]) -> _ObjectReport:
    """Check each block of an object by itself, and the object's name."""
    report, at = _ObjectReport(), 0
    try:
        for at, value in enumerate(blocks, 1):
            try:
                block = read_block(value)
            except Malformed as error:
                report.findings.append(Finding("shape", f"{name}, block {at} of it", error.message))
                continue
            report.counts.add(block)
            report.findings += findings_in(block)
            hashes = tuple(revision.hash for revision in block.revisions) if block.address in watch else ()
            report.links.append(Link(block.address, block.hash, block.previous, hashes))
    except Malformed as error:
        message = f"{error.message}; nothing after its block {at} was checked"
        report.findings.append(Finding("object", name, message))
    _check_name(report, name)
    return report


def _check_name(report: _ObjectReport, name: str) -> None:
    """Compare the blocks with the object's name, so that none can be cut off or put elsewhere."""
    match = _NAME.fullmatch(name)
    if not match:
        report.findings.append(Finding("name", name, "this is no name that QLDB gives an object"))
        return
    strand, first, last = match[1], int(match[2]), int(match[3])
    ends = [Address(strand, number) for number in (first, last)]
    if not report.links or [report.links[0].address, report.links[-1].address] != ends:
        message = f"its blocks are not {first} to {last} of strand {strand}, as its name says"
        report.findings.append(Finding("name", name, message))


def _chain(journal: Journal, links: Iterable[Link]) -> None:
    """Put the blocks in order and check that each follows the one before it."""
    for link in sorted(links, key=lambda link: link.address):
        where = str(link.address)
        strand = journal.strands.setdefault(link.address.strand, JournalStrand(link.address.strand, {}))
        known = strand.links.setdefault(link.address.number, link)
        if known is not link and known.hash == link.hash:
            message = "the block is there twice (verify overlapping exports each for itself)"
            journal.find("repeated", where, message)
        elif known is not link:
            journal.find("fork", where, "two different blocks have this number")
    for strand in journal.strands.values():
        for before, after in pairwise(strand.links.values()):
            first, last = before.address.number + 1, after.address.number - 1
            if first <= last:
                which = f"block {last} before it is"
                which = which if first == last else f"blocks {first} to {last} before it are"
                journal.find("gap", str(after.address), f"{which} not in the export")
            elif after.previous != before.hash:
                message = f"its previousBlockHash is not the hash of block {before.address.number}"
                journal.find("chain", str(after.address), message)
