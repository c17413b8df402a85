"""The seam between the document store and DynamoDB: few verbs, each with the promise it makes.

Everything read through it is strongly consistent; nothing is ever overwritten. Two implementations keep the
same contract suite: `dynamo.DynamoRows` and the fake of the tests. Outcomes that a network can leave open
have a name of their own (`OutcomeUnknown`), because a signed number hangs on them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key

Value = str | int | bytes | list[str]
# DynamoDB's limit per item is 400 KB; the rest is left for keys, paths and the event.
MAX_ROW_BYTES = 380_000
# DynamoDB takes 100 items a transaction, condition checks included.
MAX_TRANSACTION = 100
# Seconds before an open write is tried again: each try already waits for the SDK's own time-out.
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
    """A conditional put met an existing row: nothing was written."""


class TransactionRefused(Exception):
    """A transaction met an existing row or a person that is not alive: nothing was written."""

    def __init__(self, taken: Sequence[Key], dead: Sequence[str]) -> None:
        super().__init__("the transaction was refused")
        self.taken = tuple(taken)
        self.dead = tuple(dead)


class Contended(OutcomeUnknown):
    """Others were at work on the same rows, or the table was throttled: nothing was written."""


def repeat(write: Callable[[], None]) -> None:
    """Do the write, and the same write again while nobody knows whether it happened.

    Only for writes that may be repeated: conditional ones, and rows that nobody else knows. Raises what the
    write raises; after an open try `RowExists` may so be our own row. Raises `Contended` only when each try
    is known to have written nothing.
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
        """Those of the rows that exist, strongly consistent each, not as one snapshot."""

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        """The rows of a partition whose sk starts with `prefix`, in key order, strongly consistent."""

    def put_new(self, row: Row) -> None:
        """Write the row if no row has its key; raises `RowExists`, `OutcomeUnknown`."""

    def stage(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys nobody else can know; raises `OutcomeUnknown`."""

    def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
        """Write all rows or none: none may exist, every person key row in `alive` must be alive.

        Raises `TransactionRefused`, `OutcomeUnknown`.
        """

    def delete(self, key: Key) -> None:
        """Remove a row: only identifier rows and the notes of a finished erasure ever are."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A person's key row: `wrapped` while alive, `erased` (an instant) once it is a tombstone.

    `closing` is set first when an erasure begins: from then on nothing new is tied to the person.
    `identifiers` are the identifier rows still to be removed after the tombstone.
    """

    pk: str
    wrapped: bytes | None
    closing: bool = False
    erased: str | None = None
    identifiers: tuple[str, ...] = ()


class KeyRows(Protocol):
    """The keys table. It has no stream and no point-in-time recovery: what is erased is gone."""

    def get(self, pk: str) -> KeyRow | None:
        """The key row, strongly consistent."""

    def put_new(self, pk: str, wrapped: bytes) -> None:
        """Write a living key row; raises `RowExists`, `OutcomeUnknown`."""

    def close(self, pk: str) -> None:
        """Mark a living key row as closing; repeating is harmless."""

    def entomb(self, pk: str, time: str, identifiers: Sequence[str]) -> None:
        """Replace the wrapped key by the instant of erasure; a tombstone stays as it is."""

    def settle(self, pk: str) -> None:
        """Forget the identifier rows of a tombstone, once they are removed."""
