"""Bugs that the simulator must find: each the real code with one promise taken out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from carevouch.events.envelope import Event
from carevouch.ledger.checkpoint import Checkpoint, LogName
from carevouch.sealing.marks import Head, Mark
from carevouch.sealing.plan import BatchPlan, Candidate
from carevouch.store.log.ports import EventRow, HeadMoved, Heads, IndexRow, Marks, StoredHead
from services.sealer.log import Log
from services.sealer.manifest import Manifest
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from services.sealer.sweep import CERTIFICATES, Sweep
from tests.simulator.deployment import Plan


class NoCondition:
    """Heads whose swap writes whatever it is told: the compare is missing from the compare-and-swap."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads

    def read(self, log: LogName) -> StoredHead:
        return self._heads.read(log)

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        try:
            self._heads.swap(before, after)
        except HeadMoved:
            self._heads.swap(self._heads.read(before.head.log), after)


class SignsFirst(Log):
    """Signs the planned head before it is committed."""

    def commit(self, stored: StoredHead, staged: Manifest) -> bool:
        edge = staged.head.edge
        self._signer.sign(Checkpoint(self.origin, edge.size, edge.root()))
        return super().commit(stored, staged)


class NoRecovery(Log):
    """Goes on from a committed head whose batch is not applied yet."""

    def settled(self) -> StoredHead:
        return self._world.heads.read(self.name)


class Trusting(Log):
    """Believes the head in the table, whatever was committed or published after it."""

    def ready(self) -> StoredHead:
        return self.settled()

    def settled(self) -> StoredHead:
        stored = self._world.heads.read(self.name)
        while stored.pending is not None:
            self._apply(stored, self._staged(stored.pending))
            stored = self._world.heads.read(self.name)
        return stored


class Forgetful(Log):
    """Applies a batch without its marks, as if the stream delivered each record once."""

    def _apply(self, stored: StoredHead, staged: Manifest) -> None:
        honest = self._world
        self._world = replace(honest, marks=_Deaf(honest.marks))
        try:
            super()._apply(stored, staged)
        finally:
            self._world = honest


class _Deaf:
    def __init__(self, marks: Marks) -> None:
        self.get = marks.get

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        """Keep none of them."""


class Forgiving(Sealer):
    """Does not count rejections, and so never asks whether one answers what it is handed."""

    def _plan(
        self, head: Head, events: Mapping[str, Event | None]
    ) -> tuple[BatchPlan | None, tuple[Candidate, ...]]:
        return super()._plan(replace(head, rejections=0), events)


class EarlyHeads(SuperLog):
    """Reads the strands' checkpoints before the head that it appends to."""

    def append(self, strands: object) -> int:
        early = {strand: self._head(strand) for strand in strands}  # type: ignore[attr-defined]
        real = self._head
        self._head = lambda strand: early[strand]  # type: ignore[method-assign]
        try:
            return super().append(strands)  # type: ignore[arg-type]
        finally:
            self._head = real  # type: ignore[method-assign]


class Hasty(Sweep):
    """Passes over gaps in the numbers that may still fill."""

    def _is_closed(self, row: object) -> bool:
        return True


class Believing(Sweep):
    """Takes a row's number from the index, and that nothing is open for what the row does not show."""

    def _move(self, kid: str, found: Sequence[IndexRow], rows: Sequence[EventRow]) -> bool:
        settled, cursor = self._settled(rows), self._world.notes.cursor(kid)
        by_key = {row.key: row for row in rows}
        for n in sorted({item.n for item in found}):
            here = [by_key[item.key] for item in found if item.n == n and item.key in by_key]
            if any(row.key not in settled for row in here):
                return False
            if n > cursor + 1 and not all(self._is_closed(row) for row in here):
                return False
            self._world.notes.advance(kid, cursor + 1, n)
            cursor = max(cursor, n)
        return True


class Credulous(Sweep):
    """Leaves a key behind whose certificate cannot be read."""

    def _leave_behind(self, service: str, rows: Sequence[IndexRow]) -> None:
        for row in rows:
            certificate = self._certificate(service, row)
            if certificate is not None and not self._is_done(certificate):
                return
            name = CERTIFICATES + service
            self._world.notes.advance(name, self._world.notes.cursor(name) + 1, row.n)


def _with(log: type[Log]) -> type[Sealer]:
    class Sealed(Sealer):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            self._log.__class__ = log

    return Sealed


PLANTED: dict[str, Plan] = {
    "no-condition": Plan(heads=NoCondition),
    "signs-before-commit": Plan(sealer=_with(SignsFirst)),
    "skips-recovery": Plan(sealer=_with(NoRecovery)),
    "seals-from-a-restored-head": Plan(sealer=_with(Trusting)),
    "forgets-marks": Plan(sealer=_with(Forgetful)),
    "forgets-rejections": Plan(sealer=Forgiving),
    "super-log-looks-early": Plan(super_log=EarlyHeads),
    "passes-open-gaps": Plan(sweep=Hasty),
    "believes-the-index": Plan(sweep=Believing),
    "leaves-keys-behind-unread": Plan(sweep=Credulous),
}
