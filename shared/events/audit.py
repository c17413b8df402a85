"""A whole log, checked by anyone: every tile against every entry, every block, certificate and signature.

The audit reads the public files of a strand (from a folder or a URL), believes only the pinned key, and
returns its findings as data: one that goes on after a fault tells more than one that stops. What it cannot
see is said elsewhere: a revision's bytes need its opening, a dropped last event needs a receipt.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from shared.events.catalogue import OPERATOR
from shared.events.certificate import (
    CERT_TYP,
    Certificate,
    parse_certificate,
    verify_certificate,
    verify_event,
)
from shared.events.envelope import EVENT_TYP, Event, parse_event
from shared.events.epoch import opened, parse_epoch_data
from shared.events.genesis import Epoch, Genesis
from shared.events.sealing import BLOCK_SEALED, EPOCH, SEAL_TYP, Seal, check_place, parse_seal, verify_seal
from shared.kernel.errors import IntegrityFault, Malformed
from shared.kernel.jws import take_apart
from shared.ledger.block import check_follows, parse_block
from shared.ledger.checkpoint import Checkpoint, strand_origin
from shared.ledger.logkeys import LogKeys
from shared.ledger.merkle import HASH_LENGTH, Edge, leaf_hash, root
from shared.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, split_bundle, split_tile, tile_at

# Reads one public file of a strand by its path below the strand ("checkpoint", "tile/0/000"); None if absent.
Read = Callable[[str], bytes | None]
Progress = Callable[[int, int], None]
# A log that is broken everywhere is told in this many findings.
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable code, where, and a sentence."""

    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """One event as the dense numbers see it."""

    n: int
    index: int
    seal_by: str


@dataclass
class Report:
    """What an audit of one strand saw; `numbers` are its events by signing key, for `find_gaps`.

    `epochs` are those that strand 0 opened: the other strands are audited with genesis knowing them.
    """

    strand: int
    size: int = 0
    root: bytes = b""
    old_size: int | None = None
    blocks: int = 0
    events: int = 0
    certificates: int = 0
    rejected: int = 0
    last_time: str = ""
    epochs: tuple[Epoch, ...] = ()
    numbers: dict[str, list[Numbered]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, code: str, where: str, message: str) -> None:
        """Add a finding, up to the limit."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, where, message))


def audit_strand(
    genesis: Genesis,
    strand: int,
    read: Read,
    *,
    against: bytes | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a whole strand under the log keys of `genesis` (itself verified); `against`: an old checkpoint.

    Strand 0 finds the later epochs itself; for the others genesis has to know them (`Report.epochs`).
    """
    report = Report(strand)
    if strand == 0:
        genesis = replace(genesis, epochs=())
    origin = strand_origin(genesis.origin, strand)
    head = _checkpoint(report, "checkpoint", read("checkpoint"), genesis.keys, origin)
    if head is None:
        return report
    report.size, report.root = head.size, head.root
    old = None
    if against is not None:
        old = _checkpoint(report, "the old checkpoint", against, genesis.keys, origin)
        if old is not None:
            report.old_size = old.size
            if old.size > head.size:
                report.find("shrunk", "checkpoint", f"the log had {old.size} entries, now {head.size}")
    walk = _Walk(report, genesis, read, head.size, old)
    for done in walk.run():
        if progress is not None:
            progress(done, head.size)
    if walk.complete:
        walk.tree.tell(matches=walk.tree.edge.root() == head.root)
    return report


def find_gaps(reports: Sequence[Report]) -> list[Finding]:
    """Gaps and repeats in the dense numbers of each key, over all strands together.

    A gap is named once the log's time is past the `seal_by` of the next higher number (FORMATS.md, 5).
    """
    now = min((report.last_time for report in reports), default="")
    rejected = sum(report.rejected for report in reports)
    hint = " (an event.rejected may be its answer)" if rejected else ""
    findings = []
    kids = sorted({kid for report in reports for kid in report.numbers})
    for kid in kids:
        numbered = sorted(
            (item for report in reports for item in report.numbers.get(kid, ())), key=lambda item: item.n
        )
        expected = 1
        for item in numbered:
            if item.n < expected:
                findings.append(Finding("repeated", f"key {kid}", f"number {item.n} is used twice"))
            if item.n > expected and now > item.seal_by:
                missing = f"{expected}" if item.n == expected + 1 else f"{expected} to {item.n - 1}"
                findings.append(Finding("gap", f"key {kid}", f"number {missing} is not in the log{hint}"))
            expected = max(expected, item.n + 1)
    return findings


def _checkpoint(
    report: Report, where: str, data: bytes | None, keys: LogKeys, origin: str
) -> Checkpoint | None:
    if data is None:
        report.find("missing", where, "there is no checkpoint")
        return None
    try:
        return keys.open(data, origin)
    except IntegrityFault as fault:
        report.find("checkpoint", where, fault.message)
        return None


class _Tree:
    """Recomputes the tree out of entries and compares every stored tile with it."""

    def __init__(self, report: Report, read: Read, size: int) -> None:
        self._report = report
        self._read = read
        self._size = size
        self._rows: list[list[bytes]] = [[]]
        self._counts: list[int] = [0]
        self._odd: list[tuple[Tile, list[int]]] = []
        self.edge = Edge()

    def add(self, hashes: Sequence[bytes]) -> None:
        """Append the leaves of one bundle."""
        self.edge = self.edge.extended(hashes)
        self._add(0, hashes)

    def finish(self) -> None:
        """Compare the partial tile of each level."""
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level, row)

    def tell(self, *, matches: bool) -> None:
        """Name what differs. If the entries have the signed root it is the tiles, else it is entries."""
        if not matches:
            message = f"the {self._size} entries do not have the root in the checkpoint"
            self._report.find("root", "checkpoint", message)
        entries = [tile.index * WIDTH + at for tile, places in self._odd if tile.level == 0 for at in places]
        if not matches and entries:
            for index in entries:
                self._report.find("entry", f"entry {index}", "the entry does not match its leaf in the tree")
            return
        for tile, _ in self._odd:
            self._report.find("tile", tile.path, "the tile does not match the entries below it")

    def _add(self, level: int, hashes: Sequence[bytes]) -> None:
        if level == len(self._rows):
            self._rows.append([])
            self._counts.append(0)
        for hash_ in hashes:
            self._rows[level].append(hash_)
            if len(self._rows[level]) == WIDTH:
                row, self._rows[level] = self._rows[level], []
                self._compare(level, row)
                self._counts[level] += 1
                self._add(level + 1, [root(row)])

    def _compare(self, level: int, row: Sequence[bytes]) -> None:
        tile = Tile(level, self._counts[level], len(row))
        data = self._read(tile.path)
        if data is None:
            self._report.find("missing", tile.path, "the tile is missing")
        elif len(data) != len(row) * HASH_LENGTH:
            self._report.find("tile", tile.path, f"the tile does not hold {len(row)} hashes")
        elif data != b"".join(row):
            stored = split_tile(data, tile)
            self._odd.append((tile, [at for at, hash_ in enumerate(row) if hash_ != stored[at]]))


class _Walk:
    """Goes through the entries in order, bundle by bundle."""

    def __init__(
        self, report: Report, genesis: Genesis, read: Read, size: int, old: Checkpoint | None
    ) -> None:
        self.tree = _Tree(report, read, size)
        self.complete = True
        self._report = report
        self._read = read
        self._size = size
        self._old = old
        self._entries = _Entries(report, genesis)

    def run(self) -> Iterator[int]:
        for number in range(-(-self._size // WIDTH)):
            entries = self._bundle(tile_at(ENTRIES, number, self._size))
            if entries is None:
                self.complete = False
                return
            hashes = [leaf_hash(entry) for entry in entries]
            self._compare_old(hashes)
            self.tree.add(hashes)
            for entry, hash_ in zip(entries, hashes, strict=True):
                self._entries.add(entry, hash_)
            yield self.tree.edge.size
        self.tree.finish()
        self._entries.finish()

    def _bundle(self, tile: Tile) -> list[bytes] | None:
        data = self._read(tile.path)
        if data is None:
            self._report.find("missing", tile.path, "the entries are missing; nothing after them was checked")
            return None
        try:
            entries = split_bundle(data, tile.path)
        except TileFault as fault:
            self._report.find("entry", tile.path, fault.message)
            return None
        if len(entries) != tile.width:
            self._report.find(
                "entry", tile.path, f"the bundle holds {len(entries)} entries, not {tile.width}"
            )
            return None
        return entries

    def _compare_old(self, hashes: Sequence[bytes]) -> None:
        old, edge = self._old, self.tree.edge
        if old is None or not edge.size < old.size <= edge.size + len(hashes):
            return
        if edge.extended(hashes[: old.size - edge.size]).root() != old.root:
            message = (
                f"the log does not continue the old checkpoint of {old.size} entries: its history differs"
            )
            self._report.find("fork", "the old checkpoint", message)


class _Entries:
    """What each entry says, in order: certificates before use, true events, blocks that follow."""

    def __init__(self, report: Report, genesis: Genesis) -> None:
        self._report = report
        self._genesis = genesis
        self._certificates: dict[str, Certificate] = {}
        self._ids: dict[str, int] = {}
        self._pending: list[tuple[int, Event]] = []
        self._index = 0
        self._first = 0
        self._prev: bytes | None = None

    def add(self, entry: bytes, hash_: bytes) -> None:
        """Check the next entry."""
        try:
            self._check(entry.decode("ascii"), hash_)
        except (IntegrityFault, Malformed) as fault:
            self._report.find("entry", f"entry {self._index}", fault.message)
        except UnicodeDecodeError:
            self._report.find("entry", f"entry {self._index}", "the entry is not ASCII")
        self._index += 1

    def finish(self) -> None:
        """A log ends with a seal."""
        if self._first != self._index:
            count = self._index - self._first
            self._report.find("block", f"entry {self._first}", f"the last {count} entries are in no block")

    def _check(self, text: str, hash_: bytes) -> None:
        typ = take_apart(text).typ
        if typ == EVENT_TYP:
            self._event(parse_event(text))
        elif typ == CERT_TYP:
            self._certificate(parse_certificate(text))
        elif typ == SEAL_TYP:
            self._seal(parse_seal(text), hash_)
        else:
            raise Malformed("the entry is of no known kind")

    def _event(self, event: Event) -> None:
        self._report.events += 1
        self._pending.append((self._index, event))
        numbered = Numbered(event.n, self._index, event.seal_by)
        self._report.numbers.setdefault(event.kid, []).append(numbered)
        if event.id in self._ids:
            raise IntegrityFault(f"the event {event.id} is also entry {self._ids[event.id]}")
        self._ids[event.id] = self._index
        certificate = self._certificates.get(event.kid)
        if certificate is None and event.producer != OPERATOR:
            raise IntegrityFault("the certificate of the event's key does not stand before it")
        verify_event(event, certificate, self._genesis)

    def _certificate(self, certificate: Certificate) -> None:
        self._report.certificates += 1
        verify_certificate(certificate, self._genesis)
        if certificate.kid in self._certificates:
            raise IntegrityFault("the certificate of this key stands in the log already")
        self._certificates[certificate.kid] = certificate

    def _seal(self, seal: Seal, hash_: bytes) -> None:
        if seal.type == EPOCH:
            self._epoch(seal)
            return
        if seal.type != BLOCK_SEALED:
            self._report.rejected += 1
            verify_seal(seal, self._genesis)
            return
        number, first, prev = self._report.blocks, self._first, self._prev
        self._report.blocks += 1
        self._first, self._prev = self._index + 1, hash_
        verify_seal(seal, self._genesis)
        block = parse_block(seal.data)
        check_follows(block, number, first, prev)
        if block.end != self._index + 1:
            raise IntegrityFault(
                f"block {number} counts {block.count} entries, it has {self._index + 1 - first}"
            )
        if seal.time < self._report.last_time:
            raise IntegrityFault(f"block {number} is dated before the block before it")
        self._report.last_time = seal.time
        self._check_places(seal.time)

    def _epoch(self, seal: Seal) -> None:
        verify_seal(seal, self._genesis)
        if self._report.strand:
            raise IntegrityFault("epochs are opened in strand 0 alone")
        order = parse_epoch_data(seal.data)
        self._genesis = opened(self._genesis, order)
        self._report.epochs = self._genesis.epochs
        if seal.time < order.epoch.start:
            raise IntegrityFault(f"epoch {order.epoch.number} is opened before it begins")

    def _check_places(self, block_time: str) -> None:
        pending, self._pending = self._pending, []
        for index, event in pending:
            try:
                check_place(event, self._genesis, self._report.strand, block_time)
            except IntegrityFault as fault:
                self._report.find("entry", f"entry {index}", fault.message)
