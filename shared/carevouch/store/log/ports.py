"""The log's storage as small protocols, one for each promise; fakes and real stores pass the same tests.

`Heads` is trusted and atomic: somebody who could write it could fork the log. `Objects` is not trusted, and
everything read from it is checked against a head or a signature. `Events` may lag where it says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.sealing.marks import Head, Mark


class HeadMoved(Exception):
    """Another sealer moved the head first, and this one wrote nothing."""


class ObjectMoved(Exception):
    """The object is not the one that was read, and was not replaced."""


class HeadWentBack(IntegrityFault):
    """The stored head is behind a committed or published one, and cannot be rolled forward.

    Sealing from it would fork the log. A person has to look.
    """


class ObjectDiffers(IntegrityFault):
    """A write-once object exists with other bytes: two histories met, or somebody changed storage."""


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
        """The same head after its batch is applied."""
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


# A strand and the key of a mark in it.
StrandMark = tuple[int, str]


class MarkReader(Protocol):
    """Reads the marks of a log: which entry was sealed under a key, and at which index."""

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        """The marks that exist among these keys, strongly consistent."""


class Marks(MarkReader, Protocol):
    """Reads and writes marks, for the sealer."""

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        """Write the marks; the same values again are harmless."""


class Objects(Protocol):
    """Named bytes; consistent after a write."""

    def get(self, name: str) -> StoredObject | None:
        """The object, or None."""

    def create(self, name: str, data: bytes) -> None:
        """Write once. The same bytes again are fine; others raise `ObjectDiffers`."""

    def swap(self, name: str, before: StoredObject | None, data: bytes) -> None:
        """Replace exactly the state that was read (None: create). Raises `ObjectMoved`."""


class Events(Protocol):
    """The rows of the documents table that carry events and certificates."""

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        """The rows among these that carry an event, strongly consistent."""

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        """The texts of these keys' certificates by kid, strongly consistent; a key may have none."""

    def after(self, kid: str, n: int) -> Iterable[IndexRow]:
        """All rows under `kid` with a number above `n`, ascending. May lag, and may be forged."""

    def own_rows(self, row: EventRow) -> list[Key]:
        """The revision rows of this event's act, each of which names this row as its event's home."""

    def answer(self, key: Key, seal: str) -> None:
        """Put the signed rejection beside the row; repeating is harmless."""


@dataclass(frozen=True, slots=True)
class Retry:
    """An event that waits for its certificate."""

    key: Key
    seal_by: str = field(default="", compare=False)


class Notes(Protocol):
    """The sweep's memory. Losing it costs reads, never events."""

    def cursor(self, name: str) -> int:
        """The number up to which all numbers are settled; 0 at first."""

    def advance(self, name: str, low: int, high: int) -> None:
        """Note that `low` to `high` are settled: moves the cursor if all below `low` is, and never back."""

    def retries(self) -> Iterable[Retry]:
        """All events that wait for their certificate."""

    def remember(self, retry: Retry) -> None:
        """Note an event that waits."""

    def forget(self, key: Key) -> None:
        """Remove the note of an event that is settled."""

    def stopped(self) -> str:
        """The key at which the last sweep ran out of time; empty if none did."""

    def stop(self, kid: str) -> None:
        """Note the key at which a sweep runs out of time."""
