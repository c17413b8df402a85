"""Honest fakes: they keep the promises of the seams, and pass the same contract suites as the real ones.

`MemoryRows` is atomic under a lock, so races can be tested on it, and refuses what DynamoDB refuses: large
rows, large transactions, one row twice. `Faults` makes the n-th write fail before or after it happened, or
leaves its outcome open: that is how crashes are tested at every write.
`MemoryWrapper` wraps with AES-GCM.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.store.rows import MAX_TRANSACTION, Contended, KeyRow, Row, RowExists, TransactionRefused


class Crash(Exception):
    """The execution environment died at this write."""


@dataclass
class Faults:
    """The plan for write number n: `before`, `after`, `lost` (it happened) or `dropped` (it did not).

    `before` and `after` are the death of the environment; `contended` is a refusal that wrote nothing.
    """

    plan: dict[int, str] = field(default_factory=dict)
    writes: int = 0

    def around(self, write: Callable[[], None]) -> None:
        """Do the write, or what the plan says instead."""
        self.writes += 1
        what = self.plan.get(self.writes)
        if what == "before":
            raise Crash(f"before write {self.writes}")
        if what == "dropped":
            raise OutcomeUnknown("dropped")
        if what == "contended":
            raise Contended("others were at work")
        write()
        if what == "after":
            raise Crash(f"after write {self.writes}")
        if what == "lost":
            raise OutcomeUnknown("the answer was lost")


class MemoryKeyRows:
    """`rows.KeyRows` in memory."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.rows: dict[str, KeyRow] = {}
        self.lock = threading.RLock()
        self.faults = faults or Faults()

    def get(self, pk: str) -> KeyRow | None:
        with self.lock:
            return self.rows.get(pk)

    def put_new(self, pk: str, wrapped: bytes) -> None:
        def write() -> None:
            with self.lock:
                if pk in self.rows:
                    raise RowExists
                self.rows[pk] = KeyRow(pk, wrapped)

        self.faults.around(write)

    def close(self, pk: str) -> None:
        self._update(pk, lambda row: replace(row, closing=True) if row.wrapped else row)

    def entomb(self, pk: str, time: str, identifiers: Sequence[str]) -> None:
        def entombed(row: KeyRow) -> KeyRow:
            return replace(row, wrapped=None, erased=time, identifiers=tuple(identifiers))

        self._update(pk, lambda row: entombed(row) if row.wrapped else row)

    def settle(self, pk: str) -> None:
        self._update(pk, lambda row: replace(row, identifiers=()) if row.erased else row)

    def _update(self, pk: str, change: Callable[[KeyRow], KeyRow]) -> None:
        def write() -> None:
            with self.lock:
                if pk in self.rows:
                    self.rows[pk] = change(self.rows[pk])

        self.faults.around(write)


class MemoryRows:
    """`rows.Rows` in memory, with the alive check into `keys`."""

    def __init__(self, keys: MemoryKeyRows, faults: Faults | None = None) -> None:
        self.rows: dict[Key, Row] = {}
        self.keys = keys
        self.lock = threading.RLock()
        self.faults = faults or Faults()

    def get(self, key: Key) -> Row | None:
        with self.lock:
            return self.rows.get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        with self.lock:
            return {key: self.rows[key] for key in keys if key in self.rows}

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        with self.lock:
            found = sorted(
                (row for row in self.rows.values() if row.key.pk == pk and row.key.sk.startswith(prefix)),
                key=lambda row: row.key.sk.encode(),
                reverse=newest_first,
            )
        return found[:limit]

    def put_new(self, row: Row) -> None:
        self.faults.around(lambda: self._put([row], ()))

    def stage(self, rows: Sequence[Row]) -> None:
        for at in range(0, len(rows), 25):
            self.faults.around(lambda batch=rows[at : at + 25]: self._overwrite(batch))  # type: ignore[misc]

    def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
        def write() -> None:
            if len(rows) + len(alive) > MAX_TRANSACTION or len(set(alive)) < len(alive):
                raise ValueError("DynamoDB refuses more than 100 items, or one item twice, in a transaction")
            try:
                self._put(rows, alive)
            except RowExists:
                raise TransactionRefused([row.key for row in rows if row.key in self.rows], []) from None

        self.faults.around(write)

    def delete(self, key: Key) -> None:
        def write() -> None:
            with self.lock:
                self.rows.pop(key, None)

        self.faults.around(write)

    def _put(self, rows: Sequence[Row], alive: Sequence[str]) -> None:
        with self.lock, self.keys.lock:
            dead = [pk for pk in alive if not _living(self.keys.rows.get(pk))]
            if dead:
                raise TransactionRefused([row.key for row in rows if row.key in self.rows], dead)
            if any(row.key in self.rows for row in rows):
                raise RowExists
            self._overwrite(rows)

    def _overwrite(self, rows: Sequence[Row]) -> None:
        if len({row.key for row in rows}) < len(rows) or any(_size(row) > 400 * 1024 for row in rows):
            raise ValueError("DynamoDB refuses rows over 400 KB, and one row twice in a call")
        with self.lock:
            self.rows.update({row.key: row for row in rows})


class MemoryWrapper:
    """`keys.Wrapper` with a key in memory: AES-GCM, the context as associated data."""

    def __init__(self, key: bytes = bytes(32)) -> None:
        self._key = key
        self.unwraps = 0

    def wrap(self, material: bytes, context: str) -> bytes:
        nonce = sha256(material + context.encode())[:12]
        return nonce + AESGCM(self._key).encrypt(nonce, material, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        self.unwraps += 1
        return AESGCM(self._key).decrypt(wrapped[:12], wrapped[12:], context.encode())


def _living(row: KeyRow | None) -> bool:
    return row is not None and row.wrapped is not None and not row.closing


def _size(row: Row) -> int:
    size = len(row.key.pk + row.key.sk)
    for name, value in row.attributes.items():
        parts = value if isinstance(value, list) else [value]
        size += len(name) + sum(8 if isinstance(part, int) else len(part) for part in parts)
    return size
