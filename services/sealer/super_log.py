"""The super-log: one log whose entries are the strands' checkpoints, and whose head witnesses cosign.

An entry is a strand's checkpoint as a note with its Ed25519 line alone, once per strand and size. The proof
of an event therefore is two standard tlog-proofs: the event in its strand, under a checkpoint that is itself,
byte for byte, an entry of the super-log. Checkpoints are appended after strands were published, through the
same `Log`. Its public checkpoint always satisfies the witness policy. If a quorum is missing, the old one
stays.
"""

from collections.abc import Collection

from carevouch.kernel.errors import Busy
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, strand_origin
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.merkle import leaf_hashes
from carevouch.ledger.superlog import StrandHead, head_mark, super_entry
from carevouch.sealing.marks import Head
from carevouch.store.log.names import CHECKPOINT
from services.sealer.log import MAX_ATTEMPTS, Cosign, Log, LogStores
from services.sealer.manifest import Manifest


class SuperLog:
    """Appends the strands' checkpoints, and publishes the log of them."""

    def __init__(
        self, origin: str, world: LogStores, signer: LogSigner, cosign: Cosign | None = None
    ) -> None:
        """`cosign` asks the witnesses. Without it the log's own lines are enough."""
        self._origin = origin
        self._world = world
        self._signer = signer
        self._cosign = cosign
        self._log = Log(SUPER, log_origin(origin, SUPER), world, signer)

    def append(self, strands: Collection[int]) -> int:
        """Append the published checkpoints of these strands that are not there yet. Returns their number."""
        for _ in range(MAX_ATTEMPTS):
            # Read the head before the checkpoints. If it moves in between, the swap fails. A strand's sizes
            # so never go back from one entry to a later one.
            stored = self._log.ready()
            heads = [head for head in map(self._head, sorted(set(strands))) if head is not None]
            by_mark = {head_mark(head.strand, head.checkpoint.size): head for head in heads}
            marks = self._world.marks.get(SUPER, list(by_mark))
            fresh = {key: head for key, head in by_mark.items() if key not in marks}
            if not fresh:
                return 0
            edge, entries = stored.head.edge, tuple(head.entry for head in fresh.values())
            growth = edge.grown(leaf_hashes(entries))
            after = Head(SUPER, growth.edge, stored.head.block + 1, growth.levels[0][-1])
            if self._log.commit(stored, Manifest(edge, entries, tuple(fresh), (), (), after, growth)):
                return len(fresh)
        raise Busy("the head of the super-log keeps moving; its batch will be tried again")

    def publish(self) -> Checkpoint:
        """Sign the settled head, have it cosigned, and publish it if it is newer than the published one."""
        return self._log.publish() if self._cosign is None else self._log.publish(self._cosign)

    def _head(self, strand: int) -> StrandHead | None:
        found = self._world.objects.get(f"{strand}/{CHECKPOINT}")
        if found is None:
            return None
        origin = strand_origin(self._origin, strand)
        checkpoint = self._signer.keys.open(found.data, origin)
        entry = super_entry(found.data, self._signer.keys.verifier(origin))
        return StrandHead(strand, checkpoint, entry) if checkpoint.size else None
