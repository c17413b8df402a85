"""Audits a strand: every tile, entry, block, certificate and signature.

The audit reads the public files of a strand and trusts only the pinned key. Findings are data, and the audit
goes on after a fault. It cannot see a revision's bytes, which need an opening. Nor can it see that the last
event was dropped, which needs a receipt. `audit_log` audits a whole log, with its
super-log and its witnesses.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from carevouch.events.catalogue import OPERATOR
from carevouch.events.certificate import (
    CERT_TYP,
    Certificate,
    parse_certificate,
    verify_certificate,
    verify_event,
)
from carevouch.events.envelope import EVENT_TYP, Event, parse_event
from carevouch.events.epoch import opened, parse_epoch_data
from carevouch.events.genesis import Epoch, Genesis
from carevouch.events.seal import BLOCK_SEALED, EPOCH, SEAL_TYP, Seal, parse_seal, verify_seal
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import take_apart
from carevouch.ledger.block import check_follows, parse_block
from carevouch.ledger.checkpoint import Checkpoint, strand_origin
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.walk import Finding, Findings, KnownRoot, Progress, Read, Walk
from carevouch.sealing.judge import check_place
from carevouch.sealing.order import BlockOrder


@dataclass(frozen=True, slots=True)
class EventNumber:
    """An event's number under its key, and its place."""

    n: int
    index: int
    seal_by: str


@dataclass(frozen=True, slots=True)
class WatchedEntry:
    """An entry about a watched event id: the event itself, or its rejection."""

    strand: int
    index: int
    text: str


@dataclass
class Report(Findings):
    """The result of an audit of one strand. `numbers` has its events by signing key, for `find_gaps`.

    `epochs` are those that strand 0 opened, with which the other strands are audited. `ids` has the events
    with their indices, and `seen` all entries about watched events. `whole` says that all entries were read
    and have the signed root. `told` is the time of the last block that other logs know (`known`), and
    `untold` that of the next block.
    """

    strand: int
    whole: bool = False
    size: int = 0
    root: bytes = b""
    old_sizes: tuple[int, ...] = ()
    blocks: int = 0
    events: int = 0
    certificates: int = 0
    rejected: int = 0
    last_time: str = ""
    told: str = ""
    untold: str = ""
    epochs: tuple[Epoch, ...] = ()
    numbers: dict[str, list[EventNumber]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    seen: dict[str, list[WatchedEntry]] = field(default_factory=dict)


def audit_strand(
    genesis: Genesis,
    strand: int,
    read: Read,
    *,
    against: bytes | Sequence[bytes] | None = None,
    known: Sequence[KnownRoot] = (),
    watch: Collection[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Audit a whole strand under the log keys of `genesis`, which the caller has verified.

    `against` are old checkpoints, `known` other roots that the strand had, and `watch` event ids to look
    for. Strand 0 finds later epochs itself. For other strands genesis must have them (`Report.epochs`).
    """
    report = Report(strand)
    if strand == 0:
        genesis = replace(genesis, epochs=())
    origin = strand_origin(genesis.origin, strand)
    head = open_published(report, read("checkpoint"), genesis.keys, origin)
    if head is None:
        return report
    report.size, report.root = head.size, head.root
    notes = [against] if isinstance(against, bytes) else list(against or ())
    older = open_older(report, notes, genesis.keys, head)
    report.old_sizes = tuple(old.size for old in older)
    walk = Walk(head, read, report, [*older, *known], progress)
    entries = _Entries(report, genesis, watch, max((one.size for one in known), default=0))
    for entry, hash_ in walk.entries():
        entries.add(entry, hash_)
    if walk.whole:
        entries.finish()
    report.whole = walk.signed
    return report


def open_published(to: Findings, note: bytes | None, keys: LogKeys, origin: str) -> Checkpoint | None:
    """The published checkpoint of a log. It must have a line by each key of the log; otherwise there is a
    finding."""
    if note is None:
        to.find("missing", "checkpoint", "there is no checkpoint")
        return None
    try:
        head = keys.open(note, origin)
        lacking = keys.lacking(note, origin)
    except IntegrityFault as fault:
        to.find("checkpoint", "checkpoint", fault.message)
        return None
    if lacking:
        to.find("signature", "checkpoint", "the checkpoint has no line by the log's ML-DSA-44 key")
    return head


def open_older(to: Findings, notes: Sequence[bytes], keys: LogKeys, head: Checkpoint) -> list[KnownRoot]:
    """The roots of older checkpoints, which the published checkpoint must continue."""
    older = []
    for note in notes:
        try:
            old = keys.open(note, head.origin)
        except IntegrityFault as fault:
            to.find("checkpoint", "the old checkpoint", fault.message)
            continue
        if old.size > head.size:
            to.find("shrunk", "checkpoint", f"the log had {old.size} entries, now {head.size}")
        message = f"the log does not continue the old checkpoint of {old.size} entries: its history differs"
        older.append(KnownRoot(old.size, old.root, Finding("fork", "the old checkpoint", message)))
    return older


def time_of(reports: Sequence[Report]) -> str:
    """The time that every strand's last block has reached; empty if a strand has no block."""
    return min((report.last_time for report in reports), default="")


def find_gaps(reports: Sequence[Report], now: str | None = None) -> list[Finding]:
    """Gaps and repeats in the dense numbers of each key, over all strands together.

    A gap is a finding once the log's time is past the `seal_by` of the next higher number (FORMATS.md, 5).
    `now` is that time by the witnesses, if there are any.
    """
    now = time_of(reports) if now is None else now
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


class _Entries:
    """Checks each entry in order: certificates before their use, true events, and linked blocks."""

    def __init__(self, report: Report, genesis: Genesis, watch: Collection[str], told_size: int) -> None:
        self._report = report
        self._genesis = genesis
        self._watch = frozenset(watch)
        self._told_size = told_size
        self._order = BlockOrder()
        self._certificates: dict[str, Certificate] = {}
        self._pending: list[tuple[int, Event]] = []
        self._index = 0
        self._first = 0
        self._prev: bytes | None = None
        # The number and the first entry of the next block.
        self._expected = (0, 0)

    def add(self, entry: bytes, hash_: bytes) -> None:
        """Check the next entry."""
        try:
            self._check(entry.decode("ascii"), hash_)
        except (IntegrityFault, Malformed) as fault:
            self._wrong(fault.message)
        except UnicodeDecodeError:
            self._wrong("the entry is not ASCII")
        self._index += 1

    def finish(self) -> None:
        """A log ends with a seal."""
        if self._first != self._index:
            count = self._index - self._first
            self._report.find("block", f"entry {self._first}", f"the last {count} entries are in no block")

    def _wrong(self, what: str) -> None:
        self._order.unknown()
        self._report.find("entry", f"entry {self._index}", what)

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
        numbered = EventNumber(event.n, self._index, event.seal_by)
        self._report.numbers.setdefault(event.kid, []).append(numbered)
        self._watched(event.id, event.text)
        if event.id in self._report.ids:
            raise IntegrityFault(f"the event {event.id} is also entry {self._report.ids[event.id]}")
        self._report.ids[event.id] = self._index
        certificate = self._certificates.get(event.kid)
        if certificate is None and event.producer != OPERATOR:
            raise IntegrityFault("the certificate of the event's key is not before the event")
        verify_event(event, certificate, self._genesis)
        self._order.event(event)

    def _certificate(self, certificate: Certificate) -> None:
        self._report.certificates += 1
        verify_certificate(certificate, self._genesis)
        if certificate.kid in self._certificates:
            raise IntegrityFault("the log already has the certificate of this key")
        self._certificates[certificate.kid] = certificate
        self._order.certificate(certificate.kid)

    def _seal(self, seal: Seal, hash_: bytes) -> None:
        if seal.type == EPOCH:
            self._epoch(seal)
            return
        if seal.type != BLOCK_SEALED:
            self._report.rejected += 1
            verify_seal(seal, self._genesis)
            self._watched(seal.data.get("id", ""), seal.signed.text)
            self._order.rejection()
            return
        first, prev, order, expected = self._first, self._prev, self._order, self._expected
        self._report.blocks += 1
        self._first, self._prev, self._order = self._index + 1, hash_, BlockOrder()
        verify_seal(seal, self._genesis)
        block = parse_block(seal.data)
        last_time, self._report.last_time = self._report.last_time, max(seal.time, self._report.last_time)
        # The next block is checked by this seal's own numbers. So one missing entry is one finding, and not
        # one for every later block.
        self._expected = (block.number + 1, block.end)
        check_follows(block, *expected, prev)
        if block.count != self._index + 1 - first:
            raise IntegrityFault(
                f"block {block.number} counts {block.count} entries, it has {self._index + 1 - first}"
            )
        if seal.time < last_time:
            raise IntegrityFault(f"block {block.number} is dated before the block before it")
        if block.end <= self._told_size:
            self._report.told = seal.time
        elif not self._report.untold:
            self._report.untold = seal.time
        self._check_places(seal.time)
        order.closed()

    def _watched(self, event_id: str, text: str) -> None:
        if event_id in self._watch:
            seen = WatchedEntry(self._report.strand, self._index, text)
            self._report.seen.setdefault(event_id, []).append(seen)

    def _epoch(self, seal: Seal) -> None:
        verify_seal(seal, self._genesis)
        if self._report.strand:
            raise IntegrityFault("only strand 0 may open an epoch")
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
