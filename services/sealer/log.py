"""The life of a log on storage: stage, compare-and-swap, apply, publish. Recovery uses the same functions.

The compare-and-swap of the head is the only commit point. It alone takes indices, so there is no gap. The
marks of a batch are applied before the next batch commits, so no event is sealed twice. A checkpoint is
signed only of a head that is committed and applied. Before each commit and each signature the head is
compared with the commit records and the published checkpoint. A head that went back, after a restore, is
rolled forward through the manifests, or stops with `HeadWentBack`; no batch is ever sealed from it.

This module does not know what the entries are: `strand` seals events, `super_log` appends checkpoints.
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

# A lost race means that another sealer made progress. So many in a row mean something else.
MAX_ATTEMPTS = 8
# How far a restored head is rolled forward in one go: an hour of one batch a second.
MAX_ROLL_FORWARD = 3_600

# A step between signing a checkpoint and publishing it, such as asking witnesses. It refuses by raising.
Cosign = Callable[[Checkpoint, bytes], bytes]


@dataclass(frozen=True, slots=True)
class LogStores:
    """The storage of all logs, one port for each promise, and the clock."""

    heads: Heads
    marks: Marks
    objects: Objects
    events: Events
    notes: Notes
    clock: Callable[[], str]


class Log:
    """The log `name` (a strand's number, or the super-log), with the origin that its checkpoints name."""

    def __init__(self, name: LogName, origin: str, world: LogStores, signer: LogSigner) -> None:
        self.name = name
        self.origin = origin
        self._world = world
        self._signer = signer

    def ready(self) -> StoredHead:
        """The head to continue from: committed, applied, and not behind the published checkpoint.

        Raises `HeadWentBack` if it is behind, or is the head of another tree.
        """
        published = self.published()
        stored = self.settled()
        edge = stored.head.edge
        if published is None or published.size < edge.size:
            return stored
        if published.size > edge.size or published.root != edge.root():
            raise HeadWentBack(f"{self.origin} is published at {published.size}, its head is another tree")
        return stored

    def settled(self) -> StoredHead:
        """The head, committed and applied, after finishing what a crash left and undoing a restore."""
        for _ in range(MAX_ROLL_FORWARD):
            stored = self._world.heads.read(self.name)
            if stored.pending is not None:
                staged = self._staged(stored.pending)
                if staged.head != stored.head:
                    raise HeadWentBack(
                        f"the staged batch {stored.pending} does not lead to the committed head"
                    )
                self._apply(stored, staged)
                continue
            name = self._committed_at(stored)
            if name is None:
                return stored
            # The head went back behind a committed batch: commit that very batch again.
            staged = self._staged(name)
            if staged.before != stored.head.edge or staged.head.block != stored.head.block + 1:
                raise HeadWentBack(f"the batch {name} does not continue the head of log {self.name}")
            after = stored.committed(staged.head, name)
            if self._swapped(stored, after):
                self._apply(after, staged)
        raise HeadWentBack(f"the head of log {self.name} is more than {MAX_ROLL_FORWARD} batches behind")

    def commit(self, stored: StoredHead, staged: Manifest) -> bool:
        """Stage the batch, move the head from `stored` to it, and apply it. False after a lost race."""
        data = manifests.render(staged)
        name = manifests.name_of(staged, data)
        self._world.objects.create(name, data)
        after = stored.committed(staged.head, name)
        if not self._swapped(stored, after):
            return False
        self._apply(after, staged)
        return True

    def published(self) -> Checkpoint | None:
        """The published checkpoint. Raises an `IntegrityFault` if it is not by the log's key."""
        found = self._world.objects.get(self.path(CHECKPOINT))
        return None if found is None else self._signer.keys.open(found.data, self.origin)

    def publish(self, cosign: Cosign = lambda _, note: note) -> Checkpoint:
        """Sign the settled head, if it is newer than the published one. Returns what is published then.

        Raises `HeadWentBack` or an `IntegrityFault` if the head does not continue the published checkpoint.
        """
        for _ in range(MAX_ATTEMPTS):
            # Read the checkpoint before the head. The head only grows, so an honest one is never behind it.
            found = self._world.objects.get(self.path(CHECKPOINT))
            edge = self.settled().head.edge
            head = Checkpoint(self.origin, edge.size, edge.root())
            old = None if found is None else self._signer.keys.open(found.data, self.origin)
            if old is not None:
                if old.size > head.size:
                    raise HeadWentBack(f"log {self.name} is published at {old.size}, its head at {head.size}")
                proof = consistency_proof(self.reader(head.size, edge), old.size, head.size)
                verify_consistency(old.size, old.root, head.size, head.root, proof)
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
        raise Busy("the checkpoint keeps moving; another sealer is publishing it")

    def path(self, name: str) -> str:
        """The name of one of the log's public files in storage."""
        return f"{self.name}/{name}"

    def reader(self, size: int, edge: Edge | None = None) -> TileReader:
        """The hashes of the tree of `size` entries. With its `edge` it reads fewer tiles."""
        return TileReader(size, lambda tiles: [self.tile(tile) for tile in tiles], edge)

    def _swapped(self, before: StoredHead, after: StoredHead) -> bool:
        try:
            self._world.heads.swap(before, after)
        except (HeadMoved, OutcomeUnknown):
            # A lost answer looks like a lost race, also if the client library repeated the call. Read again.
            now = self._world.heads.read(self.name)
            if now == after:
                return True
            if now.head != after.head or now.version <= after.version:
                return False
            # Another sealer may have committed the same entries with another manifest. Then the commit record
            # names that manifest, which is the one that was applied, and ours lost.
            return after.pending is None or self._committed_at(before) == after.pending
        return True

    def _committed_at(self, stored: StoredHead) -> str | None:
        """The manifest that continued this head, if one was applied or is being applied."""
        found = self._world.objects.get(manifests.commit_name(self.name, stored.head.edge.size))
        return None if found is None else found.data.decode("ascii")

    def _apply(self, stored: StoredHead, staged: Manifest) -> None:
        """Write everything that a committed batch implies. Every step can be repeated."""
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

    def _staged(self, name: str) -> Manifest:
        """The manifest of a committed batch. Raises `HeadWentBack` if it is missing or changed."""
        found = self._world.objects.get(name)
        if found is None:
            raise HeadWentBack(f"the committed batch {name} of log {self.name} is not in storage")
        return manifests.parse(name, found.data)

    def tile(self, tile: Tile) -> bytes:
        """A stored tile or bundle of the log. Raises `TileFault` if it is missing."""
        found = self._world.objects.get(self.path(tile.path))
        if found is None:
            raise TileFault(f"{tile.path} of log {self.name} is missing")
        return found.data
