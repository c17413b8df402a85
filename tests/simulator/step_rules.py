"""The rules that must hold at every step; the first breach ends the schedule.

The watch sees the true content of the stores, and every signature that the log's key makes, also those that
never leave the sealer. The rules for the end are in `verdict`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jws import thumbprint
from carevouch.ledger.checkpoint import Checkpoint, LogName, log_origin, parse_checkpoint
from carevouch.ledger.logkeys import LogKeys, LogSigner
from carevouch.ledger.merkle import EMPTY_ROOT, leaf_hash
from carevouch.ledger.note import NoteSigner, Verifier, parse_note
from carevouch.ledger.tiles import all_tiles
from carevouch.sealing.marks import Mark, event_mark, rejection_mark
from carevouch.store.log.ports import StoredHead
from services.sealer.sweep import CERTIFICATES
from tests.service.sealer.fakes import MemoryObjects
from tests.simulator.events import Deed, Session
from tests.simulator.schedule import Broken
from tests.unit.sealing.acts import ORIGIN, House


class Watch:
    """Remembers each promise that the ledger gave, and compares."""

    def __init__(self, house: House, objects: MemoryObjects) -> None:
        self.signed: dict[tuple[str, int], bytes] = {}
        self.published_notes: dict[str, list[bytes]] = {}
        self.deeds: list[Deed] = []
        self.sessions: list[Session] = []
        self.faults: list[IntegrityFault] = []
        # Somebody restored the table while others were writing: the ledger may stop now, but never fork.
        self.restored = False
        self._operator = thumbprint(house.operator.jwk)
        self._objects = objects
        self._applied: dict[tuple[str, int], bytes] = {}
        self._marks: dict[tuple[LogName, str], Mark] = {}
        self._cursors: dict[str, int] = {}

    def swapped(self, after: StoredHead) -> None:
        """Check the move of a head."""
        if after.pending is None:
            edge = after.head.edge
            self._applied[log_origin(ORIGIN, after.head.log), edge.size] = edge.root()

    def marked(self, log: LogName, marks: Sequence[Mark], held: Mapping[tuple[LogName, str], Mark]) -> None:
        """Check marks that are about to be written over existing ones."""
        for mark in marks:
            before = held.get((log, mark.key), self._marks.get((log, mark.key), mark))
            if before != mark:
                raise Broken(f"{mark.key} is marked at {mark.index}; it was at {before.index}")
            self._marks[log, mark.key] = mark

    def published(self, name: str, data: bytes) -> None:
        """Check a published checkpoint: all files that it covers must be there."""
        checkpoint = parse_checkpoint(parse_note(data).text)
        if self.signed.get((checkpoint.origin, checkpoint.size)) != checkpoint.root:
            raise Broken(f"{name} was published and never signed")
        folder = name.rpartition("/")[0]
        for tile in all_tiles(checkpoint.size):
            if f"{folder}/{tile.path}" not in self._objects.files:
                raise Broken(f"{name} is published at {checkpoint.size} without {tile.path}")
        seen = self.published_notes.setdefault(name, [])
        if seen and parse_checkpoint(parse_note(seen[-1]).text).size >= checkpoint.size:
            raise Broken(f"{name} went back to {checkpoint.size}")
        seen.append(data)

    def sign(self, checkpoint: Checkpoint) -> None:
        """Check a checkpoint that the log's key signs."""
        where, root = (checkpoint.origin, checkpoint.size), checkpoint.root
        if self.signed.setdefault(where, root) != root:
            raise Broken(f"two trees of {checkpoint.size} entries were signed")
        applied = EMPTY_ROOT if checkpoint.size == 0 else self._applied.get(where)
        if applied != root:
            raise Broken(f"a tree of {checkpoint.size} entries was signed and is not committed and applied")

    def stored(self, deed: Deed, cursors: Mapping[str, int]) -> None:
        """Remember a row with an event."""
        self.deeds.append(deed)
        if not deed.hostile and cursors.get(deed.session.kid, 0) >= deed.n:
            raise Broken(f"the cursor of {deed.session.name} is past {deed.n}, which is stored only now")
        certificates = CERTIFICATES + deed.session.service
        if not deed.hostile and cursors.get(certificates, 0) >= deed.session.made_n:
            raise Broken(f"the key {deed.session.name} was left behind before its number {deed.n}")

    def advanced(self, name: str, cursor: int) -> None:
        """Check the move of a cursor."""
        if self._cursors.get(name) == cursor:
            return
        self._cursors[name] = cursor
        for deed in [deed for deed in self.deeds if not deed.hostile]:
            passed = name == deed.session.kid and deed.n <= cursor
            service = CERTIFICATES + deed.session.service
            left = name == service and deed.session.made_n <= cursor
            if (passed or left) and not self.is_settled(deed):
                raise Broken(f"the cursor {name[:13]} moved past number {deed.n} of {deed.session.name}")

    def is_settled(self, deed: Deed) -> bool:
        """Whether the very event was sealed, or the very text rejected."""
        leaves = {leaf_hash(text.encode()) for text in deed.spellings}
        keys = [rejection_mark(deed.hash)] + ([] if deed.id is None else [event_mark(deed.id)])
        marks = [mark for (_, key), mark in self._marks.items() if key in keys]
        return any(mark.key.startswith("rejected#") or mark.leaf in leaves for mark in marks)

    # --- what is told

    def count(self, name: str, value: float) -> None:
        """A metric of `Telemetry`."""
        if value and name in ("HeadWentBack", "LedgerFaults", "RowsSetAside") and not self.restored:
            raise Broken(f"{name} {value:g}, and nothing was restored")

    def error(self, message: str, **facts: str) -> None:
        """A log line of `Telemetry`."""


class Keys(LogKeys):
    """The log's public keys, which remember the notes that they opened: all schedules open the same ones."""

    def open(self, data: bytes, origin: str) -> Checkpoint:
        return _opened(self.ed25519, data, origin)

    def verifier(self, origin: str) -> Verifier:
        return Remembering(origin, self.ed25519)


@lru_cache(maxsize=4_096)
def _opened(public: bytes, data: bytes, origin: str) -> Checkpoint:
    return LogKeys(public).open(data, origin)


class Remembering(Verifier):
    """A key that remembers the signatures that it verified."""

    def verify(self, message: bytes, signature: bytes) -> None:
        _verified(self.public, message, signature)


@lru_cache(maxsize=4_096)
def _verified(public: bytes, message: bytes, signature: bytes) -> None:
    Verifier("", public).verify(message, signature)


class WatchedSigner(LogSigner):
    """The log's signer under watch."""

    @property
    def keys(self) -> LogKeys:
        return Keys(self.ed25519.public)


class WatchedKey:
    """The log's key under watch."""

    def __init__(self, key: NoteSigner, watch: Watch) -> None:
        self._key, self._watch = key, watch
        self.public = key.public

    def sign(self, message: bytes) -> bytes:
        self._watch.sign(parse_checkpoint(message.decode()))
        return self._key.sign(message)
