"""Sealing events into a strand: which rows become which entries, and what is noted beside them.

`Log` keeps the promises about forks and repeats; here candidates are fetched, planned by the pure
`carevouch.sealing.plan`, and handed over. Every row ends sealed, rejected, or waiting for its certificate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carevouch.events.envelope import Event, event_of
from carevouch.events.genesis import Genesis, strand_for
from carevouch.events.seal import text_hash
from carevouch.kernel.errors import Busy
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import Signer
from carevouch.ledger.checkpoint import Checkpoint, log_origin
from carevouch.ledger.logkeys import LogSigner
from carevouch.sealing import plan as sealing
from carevouch.sealing.marks import Head
from carevouch.sealing.plan import BatchPlan, Candidate
from carevouch.store.log.names import SIGNED_HEAD
from carevouch.store.log.ports import EventRow, Retry, StoredHead
from services.sealer.log import MAX_ATTEMPTS, Log, LogStores
from services.sealer.manifest import RejectionAnswer, manifest_of
from services.sealer.signed_head import publish_head

REJECTED_SUFFIX = "#rejected"


@dataclass(frozen=True, slots=True)
class SealCounts:
    """What came of a set of rows: counts, for metrics and tests."""

    events: int = 0
    rejected: int = 0
    waiting: int = 0


class Sealer:
    """Seals and publishes one strand."""

    def __init__(
        self, strand: int, genesis: Genesis, world: LogStores, *, seal: Signer, log: LogSigner
    ) -> None:
        self.strand = strand
        self._genesis = genesis
        self._world = world
        self._seal = seal
        self._log = Log(strand, log_origin(genesis.origin, strand), world, log)

    def takes(self, text: str) -> bool:
        """Whether an event belongs into this strand; what is no event at all goes into the first."""
        return self._takes(event_of(text))

    def _takes(self, event: Event | None) -> bool:
        return self.strand == strand_for(event, self._genesis)

    def _own(self, events: Mapping[str, Event | None]) -> Mapping[str, Event | None]:
        """Those that belong into this strand: all of them, if it is the only one."""
        if (self.strand, self._genesis.strand_count) == (0, 1):
            return events
        return {text: event for text, event in events.items() if self._takes(event)}

    def seal(self, keys: Sequence[Key]) -> SealCounts:
        """Seal the events in these rows; on return each is sealed, rejected, waiting, or was sealed before.

        Raises `Busy` if other sealers keep winning, `HeadWentBack` or another `IntegrityFault` if sealing
        would fork the log.
        """
        found = self._world.events.fetch(list(dict.fromkeys(keys)))
        rows = {row.text: row for row in found}
        events = self._own({text: event_of(text) for text in rows})
        if not events:
            return SealCounts()
        for _ in range(MAX_ATTEMPTS):
            stored = self._log.ready()
            plan, waiting = self._plan(stored.head, events)
            for candidate in waiting:
                self._world.notes.remember(Retry(rows[candidate.text].key))
            if plan is None:
                return SealCounts(waiting=len(waiting))
            if self._commit(stored, plan, rows):
                return SealCounts(len(plan.events), len(plan.rejections), len(waiting))
        raise Busy("the head of the strand keeps moving; the batch will be tried again")

    def settled(self) -> StoredHead:
        """The head, committed and applied."""
        return self._log.settled()

    def publish(self) -> Checkpoint:
        """Sign and publish the settled head, if it is newer than what is published."""
        return self._log.publish(self._with_receipts)

    def _with_receipts(self, head: Checkpoint, note: bytes) -> bytes:
        if head.size:
            publish_head(self._world.objects, self._log.path(SIGNED_HEAD), head, self._seal)
        return note

    def _plan(
        self, head: Head, events: Mapping[str, Event | None]
    ) -> tuple[BatchPlan | None, tuple[Candidate, ...]]:
        # The kid in the signed text decides, not the row's attribute, which anybody with the table may write.
        kids = {event.kid for event in events.values() if event is not None}
        certificates = self._world.events.certificates(sorted(kids))
        candidates = [
            Candidate(text, None if event is None else certificates.get(event.kid), event)
            for text, event in events.items()
        ]
        marks = self._world.marks.get(self.strand, sealing.mark_keys(candidates, head))
        return sealing.plan(head, candidates, marks, self._genesis, self._seal, self._world.clock())

    def _commit(self, stored: StoredHead, plan: BatchPlan, rows: dict[str, EventRow]) -> bool:
        return self._log.commit(stored, manifest_of(plan, self._answers(plan, rows)))

    def _answers(self, plan: BatchPlan, rows: dict[str, EventRow]) -> list[RejectionAnswer]:
        if not plan.rejections:
            return []
        by_hash = {text_hash(text): row for text, row in rows.items()}
        return [
            RejectionAnswer(Key(key.pk, key.sk + REJECTED_SUFFIX), rejection.seal)
            for rejection in plan.rejections
            for key in self._world.events.own_rows(by_hash[rejection.hash])
        ]
