"""The sweep: each minute it finds every event that the stream lost, and finishes what a crash left.

It walks the keys that the certificates name, and under each key the dense numbers above its cursor. Both come
from one sparse index, which may lag. The same sealer seals the events that it finds. A cursor stops at a gap
until the gap can no longer fill. A key is left behind when it has expired and all its numbers are settled.

The stream is a hint, and the sweep is the promise. The index therefore moves no cursor: only the row's own
text does, signed by its key. A row on which our code fails is quarantined: it stays where it is, with its
key's cursor before it, and the sweep goes on with the others. A sweep that runs out of time stops, and the
next one begins with the keys that had no turn.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from carevouch.events.catalogue import OPERATOR
from carevouch.events.certificate import Certificate, trusted_certificate, verify_signature
from carevouch.events.envelope import event_of
from carevouch.events.genesis import Genesis
from carevouch.events.seal import text_hash
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import thumbprint
from carevouch.kernel.times import later, moment
from carevouch.sealing.marks import Mark, event_mark, is_entry, rejection_mark
from carevouch.store.keys import SKEW_SECONDS, listed_at
from carevouch.store.log.ports import EventRow, IndexRow
from services.sealer.log import LogStores
from services.sealer.quarantine import with_quarantine
from services.sealer.strand import SealCounts, Sealer

# One batch of the sealer takes so many comfortably, at about 1.5 KB an event.
BATCH = 500
# A gap is passed over only so long after `seal_by`, for the sake of a lagging index and slow producers.
GRACE_SECONDS = 3_600
# A sweep that has more to do stops well before the next one, which goes on with the remaining keys.
SWEEP_SECONDS = 40
CERTIFICATES = "certs#"
# The length of a key's name. Anybody can write a longer one, under which DynamoDB takes no question.
THUMBPRINT = 43
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SweepReport:
    """The counts of a sweep, and the age of the oldest event that the stream had not brought.

    `quarantined` names the type of exception of each row that was left for a later sweep.
    """

    sealed: SealCounts
    oldest_seconds: float
    quarantined: tuple[str, ...] = ()


class Sweep:
    """Sweeps all strands of a deployment."""

    def __init__(self, genesis: Genesis, world: LogStores, sealers: Sequence[Sealer]) -> None:
        self._genesis = genesis
        self._world = world
        self._sealers = sealers
        self._oldest = ""
        self._quarantined: dict[Key, str] = {}

    def run(self) -> SweepReport:
        """Seal the events that are found: first those that waited, then those of each key in its turn."""
        events, notes = self._world.events, self._world.notes
        self._oldest, self._quarantined = self._world.clock(), {}
        until = later(self._oldest, SWEEP_SECONDS)
        total = SealCounts()
        # Events that waited for their certificate, or for their epoch.
        for waiting in _pages(notes.retries()):
            rows = self._fetched([retry.key for retry in waiting])
            total += self._sealed(rows)
            for key in self._settled(rows):
                notes.forget(key)
        # The certificates of each service's keys that are not left behind, as the index lists them.
        listed = {
            service: [row for row in events.after(name, notes.cursor(name)) if len(_kid(row)) == THUMBPRINT]
            for service in sorted(self._genesis.roots)
            for name in (CERTIFICATES + service,)
        }
        kids = {_kid(row) for certificates in listed.values() for row in certificates}
        ordered = sorted({thumbprint(self._genesis.operator), *kids})
        turn = bisect_right(ordered, notes.stopped())
        for kid in ordered[turn:] + ordered[:turn]:
            total += self._sweep_key(kid, until)
            if self._world.clock() > until:
                notes.stop(kid)
                break
        for service, certificates in listed.items():
            self._leave_behind(service, certificates)
        age = moment(self._world.clock()) - moment(self._oldest)
        return SweepReport(total, max(0.0, age.total_seconds()), tuple(self._quarantined.values()))

    def _leave_behind(self, service: str, rows: Sequence[IndexRow]) -> None:
        """Move the service's cursor over the finished keys before the first that is not."""
        last = 0
        for row in rows:
            certificate = self._certificate(service, row)
            if certificate is None:
                continue  # A forged row says nothing about the keys around it.
            if not self._is_done(certificate):
                last = min(last, row.n - 1)
                break
            last = row.n
        name = CERTIFICATES + service
        if last:
            self._world.notes.advance(name, self._world.notes.cursor(name) + 1, last)

    def _certificate(self, service: str, row: IndexRow) -> Certificate | None:
        """The certificate of an index row, if it is verified and the index lists it where it belongs."""
        kid = _kid(row)
        try:
            certificate = self._trusted(kid)
        except (IntegrityFault, Malformed):
            return None
        is_listed = row.n == listed_at(later(certificate.nbf, SKEW_SECONDS))
        return certificate if is_listed and (certificate.kid, certificate.service) == (kid, service) else None

    def _trusted(self, kid: str) -> Certificate:
        """The verified certificate of a key. Raises `IntegrityFault` or `Malformed` if there is none."""
        text = self._world.events.certificates([kid]).get(kid, "")
        return trusted_certificate(text, self._genesis)

    def _is_done(self, certificate: Certificate) -> bool:
        """Whether the key expired too long ago for events to arrive, and all its events are settled."""
        end = later(certificate.exp, self._genesis.seal_by_seconds + GRACE_SECONDS)
        if self._world.clock() <= end:
            return False
        kid = certificate.kid
        for page in _pages(self._world.events.after(kid, self._world.notes.cursor(kid))):
            rows = self._fetched([item.key for item in page])
            if any(item.key in self._quarantined for item in page) or len(self._settled(rows)) < len(rows):
                return False
        return True

    def _sweep_key(self, kid: str, until: str) -> SealCounts:
        """Seal the events that the index lists under a key; begins no page of them later than `until`."""
        total, moves = SealCounts(), True
        for page in _pages(self._world.events.after(kid, self._world.notes.cursor(kid))):
            rows = self._fetched([item.key for item in page])
            total += self._sealed(rows)
            moves = moves and self._move(kid, page, rows)
            if self._world.clock() > until:
                break
        return total

    def _fetched(self, keys: Sequence[Key]) -> list[EventRow]:
        """The rows that can be read and parsed; the others are quarantined."""
        fetched = with_quarantine(self._world.events.fetch, keys, self._quarantine)
        rows = [row for part in fetched for row in part]
        parsed = with_quarantine(_parsed, rows, lambda row, bug: self._quarantine(row.key, bug))
        return [row for part in parsed for row in part]

    def _quarantine(self, key: Key, bug: Exception) -> None:
        self._quarantined[key] = type(bug).__name__

    def _sealed(self, rows: Sequence[EventRow]) -> SealCounts:
        """Hand the rows that are not settled to the sealers of their strands."""
        settled = self._settled(rows)
        unsettled = [row for row in rows if row.key not in settled]
        self._oldest = min([self._oldest, *filter(None, map(_time, unsettled))])
        total = SealCounts()
        for sealer in self._sealers:
            keys = [row.key for row in unsettled if sealer.takes(row.text)]
            total = sum(with_quarantine(sealer.seal, keys, self._quarantine), total)
        return total

    def _move(self, kid: str, found: Sequence[IndexRow], rows: Sequence[EventRow]) -> bool:
        """Move the key's cursor over settled numbers, and over gaps that can no longer fill.

        False if it stopped before one. Anybody may have written a row's number in the index. So a number is
        settled only by an event of that key and number, and without such an event there is a gap.
        """
        settled, cursor = self._settled(rows), self._world.notes.cursor(kid)
        by_key = {row.key: row for row in rows}
        for n in sorted({item.n for item in found}):
            here = [item.key for item in found if item.n == n]
            own = [by_key[key] for key in here if key in by_key and _kid_and_number(by_key[key]) == (kid, n)]
            if any(key in self._quarantined for key in here) or any(row.key not in settled for row in own):
                return False
            own = [row for row in own if self._is_by_its_key(row, settled[row.key])]
            if not own:
                continue
            if n > cursor + 1 and not all(self._is_closed(row) for row in own):
                return False
            self._world.notes.advance(kid, cursor + 1, n)
            cursor = max(cursor, n)
        return True

    def _is_by_its_key(self, row: EventRow, mark: Mark) -> bool:
        """Whether the key that a settled event names signed it: true if sealed, perhaps if rejected."""
        event = event_of(row.text)
        if event is None or not _is_rejection(mark):
            return event is not None
        try:
            certificate = None if event.producer == OPERATOR else self._trusted(event.kid)
            verify_signature(event, certificate, self._genesis)
        except (IntegrityFault, Malformed):
            return False
        return True

    def _settled(self, rows: Sequence[EventRow]) -> dict[Key, Mark]:
        """The rows whose very event is sealed, or whose very text is rejected, each with its mark."""
        settled: dict[Key, Mark] = {}
        for sealer in self._sealers:
            wanted = {row.key: _marks_of(row) for row in rows if sealer.takes(row.text)}
            keys = list(dict.fromkeys(key for marks in wanted.values() for key in marks))
            marks = self._world.marks.get(sealer.strand, keys) if keys else {}
            for row in rows:
                for key in wanted.get(row.key, ()):
                    # A rejection of the row's text settles it, and so does the entry of its event.
                    if key in marks and (_is_rejection(marks[key]) or is_entry(marks[key], row.text)):
                        settled[row.key] = marks[key]
        return settled

    def _is_closed(self, row: EventRow) -> bool:
        """Whether a gap below this event can no longer fill (FORMATS.md, 5)."""
        event = event_of(row.text)
        return event is not None and self._world.clock() > later(event.seal_by, GRACE_SECONDS)


def _parsed(rows: Sequence[EventRow]) -> Sequence[EventRow]:
    """The rows, after parsing all that the sweep reads of them, so that a bug shows here and not later."""
    for row in rows:
        _marks_of(row)
        _time(row)
    return rows


def _marks_of(row: EventRow) -> list[str]:
    keys = [rejection_mark(text_hash(row.text))]
    event = event_of(row.text)
    return keys if event is None else [*keys, event_mark(event.id)]


def _is_rejection(mark: Mark) -> bool:
    return mark.key.startswith("rejected#")


def _kid(certificate: IndexRow) -> str:
    return certificate.key.pk.removeprefix("K#")


def _kid_and_number(row: EventRow) -> tuple[str, int] | None:
    """Key and number of the row's event, by its own text."""
    event = event_of(row.text)
    return None if event is None else (event.kid, event.n)


def _pages(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    """The items in pages, each as large as a batch of the sealer."""
    rest = iter(items)
    while page := list(islice(rest, BATCH)):
        yield page


def _time(row: EventRow) -> str | None:
    event = event_of(row.text)
    return None if event is None else event.time
