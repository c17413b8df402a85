"""The seam between the document store and DynamoDB: few verbs, each with the promise it makes.

Every read is strongly consistent, and no row is ever overwritten. `dynamo.DynamoRows` and the fake of the
tests pass the same contract suite. A write whose answer was lost raises `OutcomeUnknown`. The caller then
must not use the signed number of that act for another one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key

Value = str | int | bytes | list[str]
# DynamoDB takes 400 KB per item. The rest is left for keys, paths and the event.
MAX_ROW_BYTES = 380_000
# DynamoDB takes 100 items a transaction, condition checks included.
MAX_TRANSACTION = 100
# Seconds before a write of unknown outcome is tried again. Each try already waits for the SDK's time-out.
PAUSES = (0.02, 0.1, 0.3, 0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One item: its key and its other attributes."""

    key: Key
    attributes: Mapping[str, Value]

    def text(self, name: str) -> str | None:
        """A text attribute, or None."""
        value = self.attributes.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """A number attribute, or None."""
        value = self.attributes.get(name)
        return int(value) if isinstance(value, int) else None

    def binary(self, name: str) -> bytes | None:
        """A binary attribute, or None."""
        value = self.attributes.get(name)
        return value if isinstance(value, bytes) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when absent."""
        value = self.attributes.get(name)
        return tuple(value) if isinstance(value, list) else ()


class RowExists(Exception):
    """A conditional put met an existing row, and wrote nothing."""


class TransactionRefused(Exception):
    """A transaction met an existing row or a person that is not alive, and wrote nothing.

    `taken` are the keys that exist already, `dead` the key rows of people who are not alive.
    """

    def __init__(self, taken: Sequence[Key], dead: Sequence[str]) -> None:
        super().__init__("the transaction was refused")
        self.taken = tuple(taken)
        self.dead = tuple(dead)


class Contended(OutcomeUnknown):
    """Others were at work on the same rows, or the table was throttled. DynamoDB wrote nothing."""


def repeat(write: Callable[[], None]) -> None:
    """Do the write, and the same write again while nobody knows whether it happened.

    Use it only for writes that may be repeated: conditional ones, and rows that nobody else knows. It raises
    what the write raises. After a try of unknown outcome, `RowExists` may mean our own row. `Contended` means
    that no try wrote anything.
    """
    worst: OutcomeUnknown = Contended()
    for seconds in PAUSES:
        try:
            return write()
        except OutcomeUnknown as error:
            worst = error if isinstance(worst, Contended) else worst
            time.sleep(seconds)
    raise worst


class Rows(Protocol):
    """The documents table, with the `alive` check into the keys table."""

    def get(self, key: Key) -> Row | None:
        """The row, strongly consistent."""

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows that exist, by key: each strongly consistent, all together no snapshot."""

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        """The rows of a partition whose sk starts with `prefix`, in key order, strongly consistent."""

    def put_new(self, row: Row) -> None:
        """Write the row if no row has its key. Raises `RowExists`, `OutcomeUnknown`."""

    def stage(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys nobody else can know. Raises `OutcomeUnknown`."""

    def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
        """Write all rows, if no row of them exists and every key row in `alive` is alive; else write none.

        Raises `TransactionRefused`, `OutcomeUnknown`.
        """

    def delete(self, key: Key) -> None:
        """Remove an identifier row, or the note of a finished erasure. No other row is ever removed."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A person's key row: `wrapped` while alive, `erased` (an instant) once it is a tombstone.

    An erasure first sets `closing`, and from then on nothing new is tied to the person. `identifiers` are
    the identifier rows that are still to be removed after the tombstone.
    """

    pk: str
    wrapped: bytes | None
    closing: bool = False
    erased: str | None = None
    identifiers: tuple[str, ...] = ()


class KeyRows(Protocol):
    """The keys table. It has no stream and no point-in-time recovery, so an erased key is gone."""

    def get(self, pk: str) -> KeyRow | None:
        """The key row, strongly consistent."""

    def put_new(self, pk: str, wrapped: bytes) -> None:
        """Write a living key row. Raises `RowExists`, `OutcomeUnknown`."""

    def close(self, pk: str) -> None:
        """Mark a living key row as closing; repeating is harmless."""

    def entomb(self, pk: str, time: str, identifiers: Sequence[str]) -> None:
        """Replace the wrapped key by the instant of erasure; a tombstone stays as it is."""

    def settle(self, pk: str) -> None:
        """Forget the identifier rows of a tombstone, once they are removed."""
