"""What the sealer asks of the world, split by the promise each keeps; fakes and real stores keep the same.

`Heads` is trusted and atomic: whoever could write it could fork the log. `Objects` is not trusted: everything
read from it is checked against a head or a signature. `Events` may lag where it says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.sealing.marks import Head, Mark


class HeadMoved(Exception):
    """Somebody else moved the head first: nothing was written."""


class ObjectMoved(Exception):
    """The object is not the one that was read: nothing was written."""


class HeadWentBack(IntegrityFault):
    """The stored head is behind what was already committed or published, and cannot be rolled forward.

    Sealing from it would fork the log. A person has to look.
    """


class ObjectDiffers(IntegrityFault):
    """An object that is written once exists with other bytes: two histories met, or storage was touched."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A log's head row: `pending` is the manifest of a committed batch that is not applied yet."""

    head: Head
    version: int = 0
    pending: str | None = None

    def committed(self, head: Head, manifest: str) -> "StoredHead":
        """The head after a batch is committed."""
        return StoredHead(head, self.version + 1, manifest)

    def applied(self) -> "StoredHead":
        """The same head once its batch is applied."""
        return replace(self, version=self.version + 1, pending=None)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row that carries an event: its text, its index attributes, and the revision rows of its act."""

    key: Key
    text: str
    kid: str
    n: int
    rows: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A row as the sparse index shows it: its key and its number under the index's kid."""

    key: Key
    n: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object and the tag that names this state of it."""

    data: bytes
    tag: str


class Heads(Protocol):
    """One row per log: consistent reads, and the compare-and-swap that is the only commit point."""

    def read(self, log: LogName) -> StoredHead:
        """The head, strongly consistent; of a log never written, the empty one."""

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        """Replace exactly `before`; raises `HeadMoved`, or `OutcomeUnknown` if no answer came."""


class MarkReader(Protocol):
    """What was sealed, by mark key."""

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        """Those that exist, strongly consistent."""


class Marks(MarkReader, Protocol):
    """The same for whoever seals; a mark is written again with the same values without harm."""

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        """Write them."""


class Objects(Protocol):
    """Named bytes; consistent after a write."""

    def get(self, name: str) -> StoredObject | None:
        """The object, or None."""

    def create(self, name: str, data: bytes) -> None:
        """Write once; the same bytes again are fine, others raise `ObjectDiffers`."""

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        """Replace exactly the state that was read (None: create); raises `ObjectMoved`."""


class Events(Protocol):
    """The rows of the documents table that carry events and certificates."""

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        """Those of the rows that carry an event, strongly consistent; rows of other kinds are passed over."""

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        """The texts of these keys' certificates, of those that have one, strongly consistent."""

    def after(self, kid: str, n: int) -> Iterable[IndexRow]:
        """All rows under `kid` with a number above `n`, ascending. May lag, and says what anybody wrote."""

    def own_rows(self, row: EventRow) -> list[Key]:
        """The revision rows that really belong to this event's row, and nobody else's."""

    def answer(self, key: Key, seal: str) -> None:
        """Put the signed rejection beside the row; again, without harm."""


@dataclass(frozen=True, slots=True)
class Retry:
    """An event that waits for its certificate."""

    key: Key
    seal_by: str = field(default="", compare=False)


class Notes(Protocol):
    """The sweeper's memory; losing it costs reads, never events."""

    def cursor(self, name: str) -> int:
        """All numbers up to this one are settled; 0 at first."""

    def advance(self, name: str, low: int, high: int) -> None:
        """Numbers low to high are settled: moves the cursor if everything below `low` is. Never back."""

    def retries(self) -> Iterable[Retry]:
        """All events that wait."""

    def remember(self, retry: Retry) -> None:
        """Wait for this one."""

    def forget(self, key: Key) -> None:
        """It is settled."""

    def stopped(self) -> str:
        """The key that the last sweep came to which ran out of time; empty at first."""

    def stop(self, kid: str) -> None:
        """A sweep runs out of time at this key."""
