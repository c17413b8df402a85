"""The life of a batch: stage, compare-and-swap, apply, publish - and recovery, which is the same functions.

The compare-and-swap of the head is the only commit point. Indices are taken there and nowhere else, so there
is no gap; marks of one batch are applied before the next commits, so there is no repeat; a checkpoint is
signed only of a head that is committed and applied, never before. Before each commit and each signature the
head is compared with the commit records and the published checkpoint: a head that went back (a restore) is
rolled forward through the manifests, or stops with `HeadWentBack`; it is never sealed from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.ledger import manifest as manifests
from services.ledger.manifest import Answer, Manifest, Settled
from services.ledger.ports import (
    EventRow,
    Events,
    HeadMoved,
    Heads,
    HeadWentBack,
    Marks,
    Notes,
    ObjectMoved,
    Objects,
    Retry,
    StoredHead,
)
from shared.aws.rows import OutcomeUnknown
from shared.events import sealing
from shared.events.envelope import strand_of
from shared.events.genesis import Genesis
from shared.events.sealing import Candidate, Head, Plan, event_of
from shared.kernel.errors import Busy
from shared.kernel.ids import Key
from shared.kernel.jws import Signer
from shared.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint, strand_origin
from shared.ledger.merkle import consistency_proof, verify_consistency
from shared.ledger.note import NoteSigner, Verifier
from shared.ledger.tiles import Tile, TileFault, TileReader, grow, partials

# A lost race means that another sealer made progress; this many in a row means something else.
MAX_ATTEMPTS = 8
# How far a restored head is rolled forward in one go: an hour of one batch a second.
MAX_ROLL_FORWARD = 3_600
REJECTED_SUFFIX = "#rejected"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of a set of rows: counts, for metrics and tests."""

    events: int = 0
    rejected: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside that sealing needs, by promise."""

    heads: Heads
    marks: Marks
    objects: Objects
    events: Events
    notes: Notes
    clock: Callable[[], str]


class Sealer:
    """Seals and publishes one strand."""

    def __init__(self, strand: int, genesis: Genesis, world: World, *, seal: Signer, log: NoteSigner) -> None:
        self.strand = strand
        self._genesis = genesis
        self._world = world
        self._seal = seal
        self._log = log

    def takes(self, text: str) -> bool:
        """Whether an event belongs into this strand; what is no event at all goes into the first."""
        event = event_of(text)
        return self.strand == (0 if event is None else strand_of(event.id, self._genesis.strands))

    def seal(self, keys: Sequence[Key]) -> Sealed:
        """Seal the events in these rows; on return each is sealed, rejected, waiting, or was sealed before.

        Raises `Busy` if other sealers keep winning, `HeadWentBack` or another `IntegrityFault` if sealing
        would fork the log.
        """
        found = self._world.events.fetch(list(dict.fromkeys(keys)))
        rows = {row.text: row for row in found if self.takes(row.text)}
        if not rows:
            return Sealed()
        for _ in range(MAX_ATTEMPTS):
            published = self._published()
            stored = self.settled()
            _check_published(published, stored.head)
            plan, waiting = self._plan(stored.head, list(rows.values()))
            for candidate in waiting:
                self._world.notes.remember(Retry(rows[candidate.text].key))
            if plan is None:
                self._forget(rows, waiting)
                return Sealed(waiting=len(waiting))
            if self._commit(stored, plan, rows):
                self._forget(rows, waiting)
                counted = sum(mark.key.startswith("event#") for mark in plan.marks)
                return Sealed(counted, len(plan.rejections), len(waiting))
        raise Busy("the head of the strand keeps moving; the batch will be tried again")

    def settled(self) -> StoredHead:
        """The head, committed and applied, after finishing what a crash left and undoing a restore."""
        for _ in range(MAX_ROLL_FORWARD):
            stored = self._world.heads.read(self.strand)
            if stored.pending is not None:
                self._apply(stored)
                continue
            record = self._world.objects.get(manifests.commit_name(self.strand, stored.head.edge.size))
            if record is None:
                return stored
            self._roll_forward(stored, record.data.decode("ascii"))
        raise HeadWentBack(f"the head of strand {self.strand} is more than {MAX_ROLL_FORWARD} batches behind")

    def publish(self) -> Checkpoint:
        """Sign the settled head, if it is newer than what is published; returns what is published then.

        Raises `HeadWentBack` if the published checkpoint is not one that the head continues.
        """
        for _ in range(MAX_ATTEMPTS):
            # Read before the head, which only grows: so an honest head is never found behind it.
            found = self._world.objects.get(self._checkpoint_name)
            edge = self.settled().head.edge
            head = Checkpoint(self._origin, edge.size, edge.root())
            if found is not None:
                old = open_checkpoint(found.data, self._verifier)
                self._check_continues(old, head)
                if old.size == head.size:
                    return old
            try:
                self._world.objects.swap(self._checkpoint_name, found, sign_checkpoint(head, self._log))
            except ObjectMoved:
                continue
            return head
        raise Busy("the checkpoint keeps moving; it is published by somebody else")

    @property
    def _origin(self) -> str:
        return strand_origin(self._genesis.origin, self.strand)

    @property
    def _verifier(self) -> Verifier:
        return Verifier(self._origin, self._log.public)

    @property
    def _checkpoint_name(self) -> str:
        return f"{self.strand}/checkpoint"

    def _published(self) -> Checkpoint | None:
        found = self._world.objects.get(self._checkpoint_name)
        return None if found is None else open_checkpoint(found.data, self._verifier)

    def _plan(self, head: Head, rows: Sequence[EventRow]) -> tuple[Plan | None, tuple[Candidate, ...]]:
        # The kid in the signed text decides, not the row's attribute, which anybody with the table may write.
        kids = {row.text: event.kid for row in rows if (event := event_of(row.text))}
        certificates = {kid: self._world.events.certificate(kid) for kid in set(kids.values())}
        candidates = [Candidate(row.text, certificates.get(kids.get(row.text, ""))) for row in rows]
        marks = self._world.marks.get(self.strand, sealing.mark_keys(candidates))
        return sealing.plan(head, candidates, marks, self._genesis, self._seal, self._world.clock())

    def _commit(self, stored: StoredHead, plan: Plan, rows: dict[str, EventRow]) -> bool:
        """Stage the plan and move the head to it; False if somebody else moved it first."""
        staged = manifests.manifest_of(
            stored.head.edge, plan, self._answers(plan, rows), _settled(plan, rows)
        )
        data = manifests.render(staged)
        name = manifests.name_of(staged, data)
        self._world.objects.create(name, data)
        after = stored.committed(plan.head, name)
        if not self._swapped(stored, after):
            return False
        self._apply(after)
        return True

    def _swapped(self, before: StoredHead, after: StoredHead) -> bool:
        try:
            self._world.heads.swap(before, after)
        except (HeadMoved, OutcomeUnknown):
            # A lost answer, also one that a client library repeated, looks like a lost race. A read tells.
            now = self._world.heads.read(self.strand)
            return now == after or (now.head == after.head and now.version > after.version)
        return True

    def _apply(self, stored: StoredHead) -> None:
        """Do what a committed batch implies; every step can be done again."""
        staged = self._staged(stored)
        objects = self._world.objects
        objects.create(
            manifests.commit_name(self.strand, staged.before.size), (stored.pending or "").encode("ascii")
        )
        old = {tile: self._tile(tile) for tile in partials(staged.before.size)}
        for tile, data in grow(staged.before, old, staged.entries).items():
            objects.create(f"{self.strand}/{tile.path}", data)
        self._world.marks.put(self.strand, staged.marks)
        for answer in staged.answers:
            self._world.events.answer(answer.key, answer.seal)
        for kid, low, high in _runs(staged.settled):
            self._world.notes.advance(kid, low, high)
        self._swapped(stored, stored.applied())

    def _staged(self, stored: StoredHead) -> Manifest:
        name = stored.pending or ""
        found = self._world.objects.get(name)
        if found is None:
            raise HeadWentBack(f"the committed batch {name} is not in storage")
        staged = manifests.parse(name, found.data)
        if staged.head != stored.head:
            raise HeadWentBack(f"the staged batch {name} does not lead to the committed head")
        return staged

    def _roll_forward(self, stored: StoredHead, name: str) -> None:
        """The head went back behind a committed batch: commit that very batch again."""
        found = self._world.objects.get(name)
        if found is None:
            raise HeadWentBack(f"strand {self.strand} went back and the batch {name} is not in storage")
        staged = manifests.parse(name, found.data)
        if staged.before != stored.head.edge or staged.head.block != stored.head.block + 1:
            raise HeadWentBack(f"the batch {name} does not continue the head of strand {self.strand}")
        after = stored.committed(staged.head, name)
        if self._swapped(stored, after):
            self._apply(after)

    def _check_continues(self, old: Checkpoint, new: Checkpoint) -> None:
        if old.size > new.size:
            raise HeadWentBack(f"strand {self.strand} is published at {old.size}, its head at {new.size}")
        reader = TileReader(new.size, lambda tiles: [self._tile(tile) for tile in tiles])
        proof = consistency_proof(reader, old.size, new.size)
        verify_consistency(old.size, old.root, new.size, new.root, proof)

    def _tile(self, tile: Tile) -> bytes:
        found = self._world.objects.get(f"{self.strand}/{tile.path}")
        if found is None:
            raise TileFault(f"{tile.path} of strand {self.strand} is missing")
        return found.data

    def _answers(self, plan: Plan, rows: dict[str, EventRow]) -> list[Answer]:
        by_hash = {Candidate(text, None).hash: row for text, row in rows.items()}
        return [
            Answer(Key(key.pk, key.sk + REJECTED_SUFFIX), rejection.seal)
            for rejection in plan.rejections
            for key in self._world.events.own_rows(by_hash[rejection.hash])
        ]

    def _forget(self, rows: dict[str, EventRow], waiting: Sequence[Candidate]) -> None:
        still = {candidate.text for candidate in waiting}
        for retry in self._world.notes.retries(limit=1_000):
            if any(row.key == retry.key and text not in still for text, row in rows.items()):
                self._world.notes.forget(retry.key)


def _check_published(published: Checkpoint | None, head: Head) -> None:
    if published is None or published.size < head.edge.size:
        return
    if published.size > head.edge.size or published.root != head.edge.root():
        raise HeadWentBack(f"{published.origin} is published at {published.size}, its head is another tree")


def _settled(plan: Plan, rows: dict[str, EventRow]) -> list[Settled]:
    """The numbers that true events took; those of rejected rows are for the sweep to judge."""
    sealed = {entry.decode("ascii") for entry in plan.entries} & rows.keys()
    events = [(event_of(text), rows[text].key) for text in sorted(sealed)]
    return [Settled(key, event.kid, event.n) for event, key in events if event is not None]


def _runs(settled: Sequence[Settled]) -> list[tuple[str, int, int]]:
    """Consecutive numbers of each key as (kid, low, high)."""
    runs: list[tuple[str, int, int]] = []
    for item in sorted(settled, key=lambda item: (item.kid, item.n)):
        if runs and runs[-1][0] == item.kid and runs[-1][2] + 1 == item.n:
            runs[-1] = (item.kid, runs[-1][1], item.n)
        else:
            runs.append((item.kid, item.n, item.n))
    return runs
