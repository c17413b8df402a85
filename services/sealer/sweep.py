"""The sweep: finds every event that the stream lost, and finishes what a crash left. Runs each minute.

It walks the keys that the certificates name, and under each key the dense numbers above its cursor, all out
of one sparse index that may lag; what it finds is handed to the same sealer as the stream's. A cursor stops
at a gap until the gap can no longer fill, and a key is left behind when it has expired and all its numbers
are settled. The stream is a hint, this is the promise: so what the index says of a row moves no cursor, only
what the row's own text says and its key has signed. A row that our code stumbles over is left where it is,
its key's cursor before it, and the sweep goes on with the others. With more keys than it has time for, it
stops, and the next one begins with those that had no turn.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from carevouch.store.log.ports import EventRow, IndexRow
from carevouch.store.session import SKEW_SECONDS, listed_at
from services.sealer.log import LogStores
from services.sealer.quarantine import each_apart
from services.sealer.strand import SealCounts, Sealer

# As many as one batch of the sealer takes comfortably: about 1.5 KB an event.
BATCH = 500
# The sparse index and slow producers are given this long beyond `seal_by` before a gap is passed over.
GRACE_SECONDS = 3_600
# A sweep that has more to do stops in good time before the next, which goes on with the keys behind.
SWEEP_SECONDS = 40
CERTIFICATES = "certs#"
# So long is a key's name; under a longer one, that anybody may write, nothing can be asked for.
THUMBPRINT = 43
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did, and how old the oldest event was that the stream had not brought.

    `stumbled` names the kind of fault of each row that was left for a later sweep.
    """

    sealed: SealCounts
    oldest_seconds: float
    stumbled: tuple[str, ...] = ()


class Sweep:
    """Sweeps all strands of a deployment."""

    def __init__(self, genesis: Genesis, world: LogStores, sealers: Sequence[Sealer]) -> None:
        self._genesis = genesis
        self._world = world
        self._sealers = sealers
        self._oldest = ""
        self._aside: dict[Key, str] = {}

    def run(self) -> SweepReport:
        """Seal what is found; returns counts and the age of the oldest unsealed event that was met."""
        self._oldest, self._aside = self._world.clock(), {}
        until = later(self._oldest, SWEEP_SECONDS)
        total = self._sweep_waiting()
        listed = {service: self._listed(service) for service in sorted(self._genesis.roots)}
        for kid in self._in_turn(listed):
            total = _added(total, self._sweep_key(kid, until))
            if self._world.clock() > until:
                self._world.notes.stop(kid)
                break
        for service, rows in listed.items():
            self._leave_behind(service, rows)
        age = moment(self._world.clock()) - moment(self._oldest)
        return SweepReport(total, max(0.0, age.total_seconds()), tuple(self._aside.values()))

    def _sweep_waiting(self) -> SealCounts:
        """Try again what waited for its certificate, or for its epoch, and forget what is settled."""
        total = SealCounts()
        for waiting in _pages(self._world.notes.retries()):
            rows = self._fetched([retry.key for retry in waiting])
            total = _added(total, self._sealed(rows))
            for key in self._settled(rows):
                self._world.notes.forget(key)
        return total

    def _listed(self, service: str) -> Sequence[IndexRow]:
        """The certificates of a service's keys that are not left behind, as the index lists them."""
        name = CERTIFICATES + service
        rows = self._world.events.after(name, self._world.notes.cursor(name))
        return [row for row in rows if len(_kid(row)) == THUMBPRINT]

    def _in_turn(self, listed: Mapping[str, Sequence[IndexRow]]) -> Sequence[str]:
        """All keys that may have unsettled numbers, beginning behind the one that the last sweep came to."""
        kids = {_kid(row) for rows in listed.values() for row in rows}
        ordered = sorted({thumbprint(self._genesis.operator), *kids})
        at = bisect_right(ordered, self._world.notes.stopped())
        return ordered[at:] + ordered[:at]

    def _leave_behind(self, service: str, rows: Sequence[IndexRow]) -> None:
        """Move the service's cursor over the finished keys before the first that is not."""
        last = 0
        for row in rows:
            certificate = self._certificate(service, row)
            if certificate is None:
                continue  # Somebody else's row: it says nothing about the keys around it.
            if not self._is_done(certificate):
                last = min(last, row.n - 1)
                break
            last = row.n
        name = CERTIFICATES + service
        if last:
            self._world.notes.advance(name, self._world.notes.cursor(name) + 1, last)

    def _certificate(self, service: str, row: IndexRow) -> Certificate | None:
        """The certificate in an index's row, if it is a true one that the index lists where it belongs."""
        kid = _kid(row)
        try:
            found = self._trusted(kid)
        except (IntegrityFault, Malformed):
            return None
        is_listed = row.n == listed_at(later(found.nbf, SKEW_SECONDS))
        return found if is_listed and (found.kid, found.service) == (kid, service) else None

    def _trusted(self, kid: str) -> Certificate:
        """The certificate of a key; raises `IntegrityFault` or `Malformed` if it has no true one."""
        text = self._world.events.certificates([kid]).get(kid, "")
        return trusted_certificate(text, self._genesis)

    def _is_done(self, certificate: Certificate) -> bool:
        """Whether the key expired so long ago that nothing can still arrive, and all that did is settled."""
        end = later(certificate.exp, self._genesis.seal_by_seconds + GRACE_SECONDS)
        return self._world.clock() > end and not self._has_open(certificate.kid)

    def _has_open(self, kid: str) -> bool:
        for found in _pages(self._world.events.after(kid, self._world.notes.cursor(kid))):
            rows = self._fetched([item.key for item in found])
            if any(item.key in self._aside for item in found) or len(self._settled(rows)) < len(rows):
                return True
        return False

    def _sweep_key(self, kid: str, until: str) -> SealCounts:
        """Seal what the index shows of a key, but no page of it more once it is later than `until`."""
        total, moves = SealCounts(), True
        for found in _pages(self._world.events.after(kid, self._world.notes.cursor(kid))):
            rows = self._fetched([item.key for item in found])
            total = _added(total, self._sealed(rows))
            moves = moves and self._move(kid, found, rows)
            if self._world.clock() > until:
                break
        return total

    def _fetched(self, keys: Sequence[Key]) -> list[EventRow]:
        """The rows that can be read; the others are set aside."""
        fetched = each_apart(self._world.events.fetch, keys, self._set_aside)
        rows = [row for part in fetched for row in part]
        return [
            row
            for part in each_apart(_read, rows, lambda row, bug: self._set_aside(row.key, bug))
            for row in part
        ]

    def _set_aside(self, key: Key, bug: Exception) -> None:
        self._aside[key] = type(bug).__name__

    def _sealed(self, rows: Sequence[EventRow]) -> SealCounts:
        """Hand what is not settled to the sealers of their strands."""
        settled = self._settled(rows)
        open_ = [row for row in rows if row.key not in settled]
        self._oldest = min([self._oldest, *filter(None, map(_time, open_))])
        total = SealCounts()
        for sealer in self._sealers:
            mine = [row.key for row in open_ if sealer.takes(row.text)]
            for sealed in each_apart(sealer.seal, mine, self._set_aside):
                total = _added(total, sealed)
        return total

    def _move(self, kid: str, found: Sequence[IndexRow], rows: Sequence[EventRow]) -> bool:
        """Move the key's cursor over settled numbers, and over gaps that cannot fill any more.

        False if it stopped before one. What an index's row says of itself anybody may have written: a
        number is settled by an event of that key and number, and where none is seen there is a gap.
        """
        settled, cursor = self._settled(rows), self._world.notes.cursor(kid)
        by_key = {row.key: row for row in rows}
        for n in sorted({item.n for item in found}):
            here = [item.key for item in found if item.n == n]
            own = [by_key[key] for key in here if key in by_key and _place(by_key[key]) == (kid, n)]
            if any(key in self._aside for key in here) or any(row.key not in settled for row in own):
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
        """Whether the key that a settled event names signed it: what is sealed is, a rejected one may be."""
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
        """Those rows whose very event is sealed, or whose very text is rejected, with the mark of that."""
        settled: dict[Key, Mark] = {}
        for sealer in self._sealers:
            wanted = {row.key: _marks_of(row) for row in rows if sealer.takes(row.text)}
            keys = list(dict.fromkeys(key for marks in wanted.values() for key in marks))
            marks = self._world.marks.get(sealer.strand, keys) if keys else {}
            for row in rows:
                for key in wanted.get(row.key, ()):
                    if key in marks and _answers(marks[key], row):
                        settled[row.key] = marks[key]
        return settled

    def _is_closed(self, row: EventRow) -> bool:
        """Whether a gap below this event can no longer fill (FORMATS.md, 5)."""
        event = event_of(row.text)
        return event is not None and self._world.clock() > later(event.seal_by, GRACE_SECONDS)


def _read(rows: Sequence[EventRow]) -> Sequence[EventRow]:
    """The rows, once everything that the sweep asks of them has been asked."""
    for row in rows:
        _marks_of(row)
        _time(row)
    return rows


def _marks_of(row: EventRow) -> list[str]:
    keys = [rejection_mark(text_hash(row.text))]
    event = event_of(row.text)
    return keys if event is None else [*keys, event_mark(event.id)]


def _answers(mark: Mark, row: EventRow) -> bool:
    """A rejection is by the text's hash; a sealed id counts only for the very event that was sealed."""
    return _is_rejection(mark) or is_entry(mark, row.text)


def _is_rejection(mark: Mark) -> bool:
    return mark.key.startswith("rejected#")


def _kid(certificate: IndexRow) -> str:
    return certificate.key.pk.removeprefix("K#")


def _place(row: EventRow) -> tuple[str, int] | None:
    """Key and number of the row's event, by its own text."""
    event = event_of(row.text)
    return None if event is None else (event.kid, event.n)


def _pages(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    """The items, as many together as a batch of the sealer takes."""
    rest = iter(items)
    while page := list(islice(rest, BATCH)):
        yield page


def _time(row: EventRow) -> str | None:
    event = event_of(row.text)
    return None if event is None else event.time


def _added(one: SealCounts, other: SealCounts) -> SealCounts:
    return SealCounts(one.events + other.events, one.rejected + other.rejected, one.waiting + other.waiting)
