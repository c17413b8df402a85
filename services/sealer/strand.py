"""Seals the events of a strand: which rows become which entries, and what is noted beside them.

`Log` keeps the promises about forks and repeats. This module fetches the candidates, has the pure
`carevouch.sealing.plan` plan them, and commits the plan. Every row ends sealed, rejected, or waiting for its
certificate.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from carevouch.events.envelope import Event, event_of
from carevouch.events.genesis import Genesis, strand_for
from carevouch.events.seal import text_hash
from carevouch.kernel.errors import Busy
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import Signer
from carevouch.ledger.checkpoint import Checkpoint, log_origin
from carevouch.ledger.cose import parse_head, render_head, sign_head, statement_of
from carevouch.ledger.logkeys import LogSigner
from carevouch.sealing import plan as sealing
from carevouch.sealing.marks import Head
from carevouch.sealing.plan import BatchPlan, Candidate
from carevouch.store.documents.model import REJECTED_SUFFIX
from carevouch.store.log.names import SIGNED_HEAD
from carevouch.store.log.ports import EventRow, ObjectMoved, Retry, StoredHead
from services.sealer.log import MAX_ATTEMPTS, Log, LogStores
from services.sealer.manifest import RejectionAnswer, manifest_of


@dataclass(frozen=True, slots=True)
class SealCounts:
    """How many rows of a set were sealed, were rejected, or wait for their certificate."""

    events: int = 0
    rejected: int = 0
    waiting: int = 0

    def __add__(self, other: "SealCounts") -> "SealCounts":
        """The counts of both sets together."""
        return SealCounts(
            self.events + other.events, self.rejected + other.rejected, self.waiting + other.waiting
        )


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
        """Whether an event belongs into this strand. A text that is no event belongs into the first."""
        return self.strand == strand_for(event_of(text), self._genesis)

    def seal(self, keys: Sequence[Key]) -> SealCounts:
        """Seal the events in these rows. On return each is sealed, rejected, waiting, or was sealed before.

        Raises `Busy` if other sealers keep winning, `HeadWentBack` or another `IntegrityFault` if sealing
        would fork the log.
        """
        rows = {row.text: row for row in self._world.events.fetch(list(dict.fromkeys(keys)))}
        events = {text: event_of(text) for text in rows}
        if (self.strand, self._genesis.strand_count) != (0, 1):
            events = {
                text: event
                for text, event in events.items()
                if self.strand == strand_for(event, self._genesis)
            }
        if not events:
            return SealCounts()
        for _ in range(MAX_ATTEMPTS):
            stored = self._log.ready()
            plan, waiting = self._plan(stored.head, events)
            for candidate in waiting:
                self._world.notes.remember(Retry(rows[candidate.text].key))
            if plan is None:
                return SealCounts(waiting=len(waiting))
            if self._log.commit(stored, manifest_of(plan, self._answers(plan, rows))):
                return SealCounts(len(plan.events), len(plan.rejections), len(waiting))
        raise Busy("the head of the strand keeps moving; the batch will be tried again")

    def settled(self) -> StoredHead:
        """The head, committed and applied."""
        return self._log.settled()

    def publish(self) -> Checkpoint:
        """Sign and publish the settled head, if it is newer than what is published."""
        return self._log.publish(self._publish_signed_head)

    def _publish_signed_head(self, checkpoint: Checkpoint, note: bytes) -> bytes:
        """Store the signed head in COSE beside the checkpoint, unless one of this size or larger is there.

        Receipts (RFC 9942) are made of it by the door, which holds no key. It is signed once per checkpoint,
        just before that is published, and so only of a head that is committed and applied.
        """
        if checkpoint.size:
            name, objects = self._log.path(SIGNED_HEAD), self._world.objects
            stored = objects.get(name)
            if stored is None or statement_of(parse_head(stored.data)).size < checkpoint.size:
                # If another publisher is faster, its head is as good, and the next one is newer anyway.
                with suppress(ObjectMoved):
                    objects.swap(name, stored, render_head(sign_head(checkpoint, self._seal)))
        return note

    def _plan(
        self, head: Head, events: Mapping[str, Event | None]
    ) -> tuple[BatchPlan | None, tuple[Candidate, ...]]:
        # Take the kid from the signed text. Anybody who may write the table can set the row's attribute.
        kids = {event.kid for event in events.values() if event is not None}
        certificates = self._world.events.certificates(sorted(kids))
        candidates = [
            Candidate(text, None if event is None else certificates.get(event.kid), event)
            for text, event in events.items()
        ]
        marks = self._world.marks.get(self.strand, sealing.mark_keys(candidates, head))
        return sealing.plan(head, candidates, marks, self._genesis, self._seal, self._world.clock())

    def _answers(self, plan: BatchPlan, rows: Mapping[str, EventRow]) -> list[RejectionAnswer]:
        """The signed rejections with the rows beside which they are put."""
        if not plan.rejections:
            return []
        by_hash = {text_hash(text): row for text, row in rows.items()}
        return [
            RejectionAnswer(Key(key.pk, key.sk + REJECTED_SUFFIX), rejection.seal)
            for rejection in plan.rejections
            for key in self._world.events.own_rows(by_hash[rejection.hash])
        ]
