"""The life of a log on storage: stage, compare-and-swap, apply, publish; recovery is the same functions.

The compare-and-swap of the head is the only commit point. Indices are taken there and nowhere else, so there
is no gap; marks of one batch are applied before the next commits, so there is no repeat; a checkpoint is
signed only of a head that is committed and applied, never before. Before each commit and each signature the
head is compared with the commit records and the published checkpoint: a head that went back (a restore) is
rolled forward through the manifests, or stops with `HeadWentBack`; it is never sealed from.

What the entries are is for others to say: `seal` for the events of a strand, `superlog` for checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass

from carevouch.kernel.errors import Busy, OutcomeUnknown
from carevouch.ledger.checkpoint import Checkpoint, LogName
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.merkle import Edge, consistency_proof, verify_consistency
from carevouch.ledger.tiles import Tile, TileFault, TileReader, grow, partials
from carevouch.store.log.names import CHECKPOINT, edge_name
from carevouch.store.log.ports import (
    Events,
    HeadMoved,
    Heads,
    HeadWentBack,
    Marks,
    Notes,
    ObjectMoved,
    Objects,
    StoredHead,
)
from services.sealer import manifest as manifests
from services.sealer.manifest import Manifest

# A lost race means that another sealer made progress; this many in a row means something else.
MAX_ATTEMPTS = 8
# How far a restored head is rolled forward in one go: an hour of one batch a second.
MAX_ROLL_FORWARD = 3_600

# What a signed checkpoint goes through before it is published: nothing, or witnesses. May refuse by raising.
Cosign = Callable[[Checkpoint, bytes], bytes]


@dataclass(frozen=True, slots=True)
class LogStores:
    """Everything outside that the ledger needs, by promise."""

    heads: Heads
    marks: Marks
    objects: Objects
    events: Events
    notes: Notes
    clock: Callable[[], str]


class Log:
    """The log `name` (a strand's number, or the super-log) with the origin that its checkpoints bear."""

    def __init__(self, name: LogName, origin: str, world: LogStores, signer: LogSigner) -> None:
        self.name = name
        self.origin = origin
        self._world = world
        self._signer = signer

    def ready(self) -> StoredHead:
        """The head to continue from: committed, applied, and not behind what is published."""
        published = self.published()
        stored = self.settled()
        self._check_published(published, stored)
        return stored

    def settled(self) -> StoredHead:
        """The head, committed and applied, after finishing what a crash left and undoing a restore."""
        for _ in range(MAX_ROLL_FORWARD):
            stored = self._world.heads.read(self.name)
            if stored.pending is not None:
                self._recover(stored)
                continue
            name = self._committed_at(stored)
            if name is None:
                return stored
            self._roll_forward(stored, name)
        raise HeadWentBack(f"the head of log {self.name} is more than {MAX_ROLL_FORWARD} batches behind")

    def commit(self, stored: StoredHead, staged: Manifest) -> bool:
        """Stage the batch, move the head from `stored` to it and apply it; False if somebody was faster."""
        data = manifests.render(staged)
        name = manifests.name_of(staged, data)
        self._world.objects.create(name, data)
        after = stored.committed(staged.head, name)
        if not self._swapped(stored, after):
            return False
        self._apply(after, staged)
        return True

    def published(self) -> Checkpoint | None:
        """The published checkpoint; raises an `IntegrityFault` if it is not by the log's key."""
        found = self._world.objects.get(self.path(CHECKPOINT))
        return None if found is None else self._signer.keys.open(found.data, self.origin)

    def publish(self, cosign: Cosign = lambda _, note: note) -> Checkpoint:
        """Sign the settled head, if it is newer than what is published; returns what is published then.

        Raises `HeadWentBack` if the published checkpoint is not one that the head continues.
        """
        for _ in range(MAX_ATTEMPTS):
            # Read before the head, which only grows: so an honest head is never found behind it.
            found = self._world.objects.get(self.path(CHECKPOINT))
            edge = self.settled().head.edge
            head = Checkpoint(self.origin, edge.size, edge.root())
            old = None if found is None else self._signer.keys.open(found.data, self.origin)
            if old is not None:
                self._check_continues(old, head, edge)
                if old.size == head.size:
                    return old
            if edge.size:
                self._world.objects.create(self.path(edge_name(edge.size)), b"".join(edge.hashes))
            note = cosign(head, self._signer.sign(head))
            try:
                self._world.objects.swap(self.path(CHECKPOINT), found, note)
            except ObjectMoved:
                continue
            return head
        raise Busy("the checkpoint keeps moving; it is published by somebody else")

    def path(self, name: str) -> str:
        """The name of one of the log's public files in storage."""
        return f"{self.name}/{name}"

    def reader(self, size: int, edge: Edge | None = None) -> TileReader:
        """The hashes of the tree of `size` entries; with its `edge` fewer tiles have to be read."""
        return TileReader(size, lambda tiles: [self.tile(tile) for tile in tiles], edge)

    def _swapped(self, before: StoredHead, after: StoredHead) -> bool:
        try:
            self._world.heads.swap(before, after)
        except (HeadMoved, OutcomeUnknown):
            # A lost answer, also one that a client library repeated, looks like a lost race. A read tells.
            now = self._world.heads.read(self.name)
            if now == after:
                return True
            if now.head != after.head or now.version <= after.version:
                return False
            # Another sealer may have committed the very same batch, noting other things beside it: that one
            # is applied, as the commit record says, and ours lost.
            return after.pending is None or self._committed_at(before) == after.pending
        return True

    def _committed_at(self, stored: StoredHead) -> str | None:
        """The manifest that continued this head, if one was applied or is being applied."""
        found = self._world.objects.get(manifests.commit_name(self.name, stored.head.edge.size))
        return None if found is None else found.data.decode("ascii")

    def _recover(self, stored: StoredHead) -> None:
        self._apply(stored, self._staged(stored))

    def _apply(self, stored: StoredHead, staged: Manifest) -> None:
        """Do what a committed batch implies; every step can be done again."""
        objects = self._world.objects
        record = manifests.commit_name(self.name, staged.before.size)
        objects.create(record, (stored.pending or "").encode("ascii"))
        old = {tile: self.tile(tile) for tile in partials(staged.before.size)}
        for tile, data in grow(staged.before, old, staged.entries, staged.growth).items():
            objects.create(self.path(tile.path), data)
        self._world.marks.put(self.name, staged.marks)
        for answer in staged.answers:
            self._world.events.answer(answer.key, answer.seal)
        for settled in staged.settled:
            self._world.notes.advance(settled.kid, settled.low, settled.high)
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
            raise HeadWentBack(f"log {self.name} went back and the batch {name} is not in storage")
        staged = manifests.parse(name, found.data)
        if staged.before != stored.head.edge or staged.head.block != stored.head.block + 1:
            raise HeadWentBack(f"the batch {name} does not continue the head of log {self.name}")
        after = stored.committed(staged.head, name)
        if self._swapped(stored, after):
            self._apply(after, staged)

    def _check_published(self, published: Checkpoint | None, stored: StoredHead) -> None:
        edge = stored.head.edge
        if published is None or published.size < edge.size:
            return
        if published.size > edge.size or published.root != edge.root():
            raise HeadWentBack(f"{self.origin} is published at {published.size}, its head is another tree")

    def _check_continues(self, old: Checkpoint, new: Checkpoint, edge: Edge) -> None:
        if old.size > new.size:
            raise HeadWentBack(f"log {self.name} is published at {old.size}, its head at {new.size}")
        proof = consistency_proof(self.reader(new.size, edge), old.size, new.size)
        verify_consistency(old.size, old.root, new.size, new.root, proof)

    def tile(self, tile: Tile) -> bytes:
        """A stored tile or bundle of the log; raises `TileFault` where it is missing."""
        found = self._world.objects.get(self.path(tile.path))
        if found is None:
            raise TileFault(f"{tile.path} of log {self.name} is missing")
        return found.data
