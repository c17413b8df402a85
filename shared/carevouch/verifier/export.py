"""Verifies an export of blocks with the pinned key alone, without a network, a bucket or an account.

The objects must hold exactly the blocks of each strand whose block time is in the span. Their entries must be
those of the log's own signed checkpoint, and no block may be left out at either end. Only `audit`, which
reads a whole log, can say whether each event is true, because an event's certificate may be before the span.
"""

from collections.abc import Callable
from dataclasses import dataclass

from carevouch.events.blocks import SealedBlock, closed_by
from carevouch.events.epoch import read_epochs
from carevouch.events.export import (
    ExportFault,
    ExportObject,
    ExportScope,
    SealProof,
    StrandExport,
    block_line,
    object_name,
    parse_completed,
)
from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.events.seal import verify_seal
from carevouch.kernel.canonical import parse_jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.times import moment
from carevouch.ledger.block import check_follows
from carevouch.ledger.checkpoint import Checkpoint, strand_origin
from carevouch.ledger.merkle import Edge, leaf_hash, leaf_hashes, verify_consistency, verify_inclusion
from carevouch.ledger.note import Verifier

# Reads the object of this name below the folder of the manifest; None if it is missing.
Read = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class ExportedStrand:
    """The part of an export that is of one strand. `closed` says that a later block ends the span.

    Otherwise the checkpoint ends within the span, and blocks that were sealed later may belong to it.
    """

    strand: int
    blocks: int
    entries: int
    closed: bool


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A verified export: the blocks of `origin` in [start, end), in order within each strand."""

    id: str
    origin: str
    start: str
    end: str
    strands: tuple[ExportedStrand, ...]


def verify_export(manifest: bytes, read: Read, verifier: Verifier) -> ExportReport:
    """Verify the export of this completed manifest under the deployment's pinned key.

    Raises `ExportFault`, which names the file and the line, or another `IntegrityFault` for its manifest.
    """
    scope, strands = parse_completed(manifest)
    genesis = _genesis(scope, verifier)
    if [one.scope.strand for one in strands] != list(range(genesis.strand_count)):
        raise ExportFault(f"the manifest does not list the log's {genesis.strand_count} strands, each once")
    checked = tuple(_Strand(scope, strand, genesis, read).check() for strand in strands)
    return ExportReport(scope.id, scope.origin, scope.start, scope.end, checked)


def _genesis(scope: ExportScope, verifier: Verifier) -> Genesis:
    try:
        genesis = open_genesis(scope.genesis.encode("utf-8"), verifier)
        for name, time in (("from", scope.start), ("to", scope.end)):
            moment(time, f"the manifest's {name}")
        if genesis.origin != scope.origin:
            raise ExportFault("the manifest names another log than its genesis")
        return read_epochs(scope.epochs.encode("utf-8"), genesis)
    except Malformed as error:
        raise ExportFault(error.message) from error


@dataclass(slots=True)
class _Place:
    """The position in a strand: the tree so far, and the last block."""

    edge: Edge
    last: SealedBlock | None
    blocks: int = 0

    def follow(self, block: SealedBlock) -> None:
        """Raise a fault unless the block follows the last one."""
        number, prev = (0, None) if self.last is None else (self.last.block.number + 1, self.last.hash)
        check_follows(block.block, number, self.edge.size, prev)
        if self.last is not None and block.time < self.last.time:
            raise ExportFault("the block is dated before the block before it")


class _Strand:
    """Checks the part of an export that is of one strand."""

    def __init__(self, scope: ExportScope, strand: StrandExport, genesis: Genesis, read: Read) -> None:
        self._scope = scope
        self._strand = strand
        self._genesis = genesis
        self._read = read
        self._head = self._checkpoint()

    def check(self) -> ExportedStrand:
        """Check all objects; raises a fault with its place."""
        strand, head = self._strand, self._head
        if not strand.scope.first <= strand.scope.end <= head.size:
            raise self._fault("its entries are not within its checkpoint")
        if len(strand.edge) != strand.scope.first.bit_count():
            raise self._fault("its edge is not that of a tree that ends where its entries begin")
        place = _Place(Edge(strand.scope.first, strand.edge), self._before())
        for item in strand.objects:
            self._object(item, place)
        if place.edge.size != strand.scope.end:
            raise self._fault(f"its objects end at entry {place.edge.size}, not {strand.scope.end}")
        try:
            verify_consistency(place.edge.size, place.edge.root(), head.size, head.root, strand.growth)
        except IntegrityFault as fault:
            raise self._fault(f"its entries are not those of its checkpoint: {fault.message}") from fault
        self._after(place)
        entries = strand.scope.end - strand.scope.first
        return ExportedStrand(strand.scope.strand, place.blocks, entries, strand.after is not None)

    def _checkpoint(self) -> Checkpoint:
        scope = self._strand.scope
        try:
            origin = strand_origin(self._genesis.origin, scope.strand)
            return self._genesis.keys.open(scope.checkpoint.encode("utf-8"), origin)
        except (IntegrityFault, Malformed) as fault:
            raise self._fault(f"its checkpoint: {fault.message}") from fault

    def _before(self) -> SealedBlock | None:
        """The block before the span; raises a fault if its time is in the span."""
        first, proof = self._strand.scope.first, self._strand.before
        if (proof is None) != (first == 0):
            raise self._fault("the block before the span is missing, or there can be none")
        if proof is None:
            return None
        found = self._proved(proof, first - 1)
        if found.block.end != first or found.time >= self._scope.start:
            raise self._fault("a block is left out at the beginning of the span")
        return found

    def _after(self, place: _Place) -> None:
        """Raise a fault if the time of the block after the span is in the span."""
        end, proof = self._strand.scope.end, self._strand.after
        if (proof is None) != (end == self._head.size):
            raise self._fault("the block after the span is missing, or there can be none")
        if proof is None:
            return
        found = self._closing(proof.entry)
        self._proved(proof, found.block.end - 1)
        try:
            place.follow(found)
        except IntegrityFault as fault:
            raise self._fault(f"the block after the span: {fault.message}") from fault
        if found.time < self._scope.end:
            raise self._fault("a block is left out at the end of the span")

    def _object(self, item: ExportObject, place: _Place) -> None:
        if item.name != object_name(self._scope.id, self._strand.scope.strand, place.edge.size):
            raise self._fault(f"{item.name} is not the name of the object that comes next")
        data = self._read(item.name)
        if data is None:
            raise ExportFault(f"{item.name} is missing")
        # Check the lines first, so that a fault names its line. Then check the hash of the whole object.
        if item.first != place.edge.size or data[-1:] != b"\n":
            raise ExportFault(f"{item.name} does not begin at entry {item.first} or end with a whole line")
        for number, line in enumerate(data[:-1].split(b"\n"), 1):
            try:
                self._line(line, place)
            except (IntegrityFault, Malformed) as fault:
                raise ExportFault(f"{item.name}, line {number}: {fault.message}") from fault
        said = (item.size, item.sha256, item.end)
        if said != (len(data), sha256(data).hex(), place.edge.size):
            raise ExportFault(f"{item.name} does not have the size, SHA-256 and entries of the manifest")

    def _line(self, line: bytes, place: _Place) -> None:
        said = parse_jcs(line, "the block")
        texts = said.get("entries")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise ExportFault("the block has no entries")
        block = self._closing(texts[-1])
        entries = [_ascii(text) for text in texts]
        if block_line(self._strand.scope.strand, block, entries) != line + b"\n":
            raise ExportFault("the line does not agree with the seal in it")
        if len(entries) != block.block.count:
            raise ExportFault(f"the seal counts {block.block.count} entries, the line has {len(entries)}")
        place.follow(block)
        if not self._scope.start <= block.time < self._scope.end:
            raise ExportFault("the block's time is not in the span")
        place.edge = place.edge.extended(leaf_hashes(entries))
        place.last = block
        place.blocks += 1

    def _closing(self, text: str) -> SealedBlock:
        try:
            found = closed_by(_ascii(text))
        except Malformed as error:
            raise ExportFault(error.message) from error
        if found is None:
            raise ExportFault("the last entry of the block is not its seal")
        verify_seal(found.seal, self._genesis)
        return found

    def _proved(self, proof: SealProof, index: int) -> SealedBlock:
        try:
            leaf = leaf_hash(_ascii(proof.entry))
            verify_inclusion(index, self._head.size, leaf, proof.path, self._head.root)
            return self._closing(proof.entry)
        except IntegrityFault as fault:
            raise self._fault(f"the block beside the span: {fault.message}") from fault

    def _fault(self, message: str) -> ExportFault:
        return ExportFault(f"the manifest, strand {self._strand.scope.strand}: {message}")


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise ExportFault("an entry is not ASCII") from error
