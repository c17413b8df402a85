"""The documents table and the keys table on DynamoDB, through PynamoDB, as `rows` promises them.

Models are built when a service is wired, never at import. A failed condition wrote nothing. After a time-out
or a 5xx the write may have happened, and the caller gets `OutcomeUnknown`.
"""

from collections.abc import Sequence
from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import (
    DeleteError,
    PutError,
    PynamoDBException,
    TransactWriteError,
    UpdateError,
)
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.store.rows import Contended, KeyRow, Row, RowExists, TransactionRefused, Value

# A request must answer well within API Gateway's 29 s. A put that takes longer than this is repeated.
CONNECT_SECONDS, READ_SECONDS, RETRIES = 2, 5, 3
_FAILED = "ConditionalCheckFailed"
# DynamoDB refused before it wrote anything. Trying again may help.
_CONTENDED = frozenset(
    {
        "TransactionConflict",
        "TransactionConflictException",
        "ThrottlingException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
    }
)
# The empty code: the connection broke, or the answer never came.
_UNKNOWN = frozenset(
    {"", "InternalServerError", "InternalFailure", "ServiceUnavailable", "TransactionInProgressException"}
)
# BatchWriteItem takes 25 items, BatchGetItem 100.
BATCH_WRITE = 25


def document_model(table: str, region: str) -> type[Model]:
    """The model of the documents table: every attribute that a row may have."""

    class DocumentRow(Model):
        Meta = _meta(table, region)

        pk = UnicodeAttribute(hash_key=True)
        sk = UnicodeAttribute(range_key=True)
        ct = BinaryAttribute(null=True, legacy_encoding=False)
        answer = BinaryAttribute(null=True, legacy_encoding=False)
        path = BinaryAttribute(null=True, legacy_encoding=False)
        prev = BinaryAttribute(null=True, legacy_encoding=False)
        act = UnicodeAttribute(null=True)
        index = NumberAttribute(null=True)
        home: ListAttribute[Any] = ListAttribute(null=True)
        until = UnicodeAttribute(null=True)
        state = UnicodeAttribute(null=True)
        event = UnicodeAttribute(null=True)
        kid = UnicodeAttribute(null=True)
        n = NumberAttribute(null=True)
        rows: ListAttribute[Any] = ListAttribute(null=True)
        doc = UnicodeAttribute(null=True)

    return DocumentRow


def key_model(table: str, region: str) -> type[Model]:
    """The model of the keys table: a person's wrapped key, or the tombstone in its place."""

    class PersonKeyRow(Model):
        Meta = _meta(table, region)

        pk = UnicodeAttribute(hash_key=True)
        wrapped = BinaryAttribute(null=True, legacy_encoding=False)
        closing = BooleanAttribute(null=True)
        erased = UnicodeAttribute(null=True)
        identifiers: ListAttribute[Any] = ListAttribute(null=True)

    return PersonKeyRow


def _meta(table: str, region: str) -> Any:
    """The class `Meta` from which PynamoDB takes a model's table, region and time-outs."""
    settings = {
        "table_name": table,
        "region": region,
        "read_timeout_seconds": READ_SECONDS,
        "connect_timeout_seconds": CONNECT_SECONDS,
        "max_retry_attempts": RETRIES,
    }
    return type("Meta", (), settings)


class DynamoRows:
    """`rows.Rows` on DynamoDB."""

    def __init__(self, documents: type[Model], keys: type[Model], region: str) -> None:
        self._documents = documents
        self._keys = keys
        # Left alone, each model makes a client of its own, and a client costs a cold start 0.1 s.
        self._connection = Connection(
            region=region,
            read_timeout_seconds=READ_SECONDS,
            connect_timeout_seconds=CONNECT_SECONDS,
            max_retry_attempts=RETRIES,
        )
        for model in (documents, keys):
            table: Any = model._get_connection()  # noqa: SLF001 - PynamoDB takes a connection no other way
            self._connection.add_meta_table(table.get_meta_table())
            table.connection = self._connection

    def get(self, key: Key) -> Row | None:
        """The row, strongly consistent."""
        try:
            return _row(self._documents.get(key.pk, key.sk, consistent_read=True))
        except self._documents.DoesNotExist:
            return None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows that exist, by key."""
        if not keys:
            return {}
        found = self._documents.batch_get(
            [(key.pk, key.sk) for key in dict.fromkeys(keys)], consistent_read=True
        )
        return {row.key: row for row in map(_row, found)}

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        """The rows of a partition whose sk starts with `prefix`."""
        sk = self._sk()
        found = self._documents.query(
            pk,
            sk.startswith(prefix) if prefix else None,
            consistent_read=True,
            scan_index_forward=not newest_first,
            limit=limit,
        )
        return [_row(item) for item in found]

    def put_new(self, row: Row) -> None:
        """Write the row if no row has its key."""
        item = self._item(row)
        try:
            item.save(condition=self._sk().does_not_exist(), add_version_condition=False)
        except PutError as error:
            if _code(error).startswith(_FAILED):
                raise RowExists from None
            raise _write_fault(error) from error

    def stage(self, rows: Sequence[Row]) -> None:
        """Write rows whose keys nobody else can know, 25 a call."""
        try:
            for at in range(0, len(rows), BATCH_WRITE):
                with self._documents.batch_write() as batch:
                    for row in rows[at : at + BATCH_WRITE]:
                        batch.save(self._item(row))
        except PynamoDBException as error:
            raise _write_fault(error) from error

    def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
        """Write all rows or none."""
        documents: Any = self._documents
        keys: Any = self._keys
        living = keys.wrapped.exists() & keys.closing.does_not_exist()
        try:
            with TransactWrite(connection=self._connection) as transaction:
                for row in rows:
                    transaction.save(self._item(row), condition=documents.sk.does_not_exist())
                for pk in alive:
                    transaction.condition_check(keys, pk, condition=living)
        except TransactWriteError as error:
            reasons = [reason.code if reason else None for reason in error.cancellation_reasons]
            # PynamoDB sends all condition checks before the puts, in whichever order we add them.
            checks, puts = reasons[: len(alive)], reasons[len(alive) :]
            taken = [row.key for row, code in zip(rows, puts, strict=False) if code == _FAILED]
            dead = [pk for pk, code in zip(alive, checks, strict=False) if code == _FAILED]
            if taken or dead:
                raise TransactionRefused(taken, dead) from None
            if set(reasons) & _CONTENDED:
                raise Contended("another transaction was at work on the same rows") from error
            raise _write_fault(error) from error

    def delete(self, key: Key) -> None:
        """Remove a row."""
        try:
            self._documents(key.pk, key.sk).delete()
        except DeleteError as error:
            raise _write_fault(error) from error

    def _sk(self) -> Any:
        documents: Any = self._documents
        return documents.sk

    def _item(self, row: Row) -> Any:
        attributes: dict[str, Any] = dict(row.attributes)
        return self._documents(row.key.pk, row.key.sk, **attributes)


class DynamoKeyRows:
    """`rows.KeyRows` on DynamoDB."""

    def __init__(self, keys: type[Model]) -> None:
        self._keys: Any = keys

    def get(self, pk: str) -> KeyRow | None:
        """The key row, strongly consistent."""
        try:
            item = self._keys.get(pk, consistent_read=True)
        except self._keys.DoesNotExist:
            return None
        return KeyRow(item.pk, item.wrapped, bool(item.closing), item.erased, tuple(item.identifiers or ()))

    def put_new(self, pk: str, wrapped: bytes) -> None:
        """Write a living key row."""
        try:
            self._keys(pk, wrapped=wrapped).save(condition=self._keys.pk.does_not_exist())
        except PutError as error:
            if _code(error).startswith(_FAILED):
                raise RowExists from None
            raise _write_fault(error) from error

    def close(self, pk: str) -> None:
        """Mark a living key row as closing; repeating is harmless."""
        self._update(pk, [self._keys.closing.set(True)], self._keys.wrapped.exists())

    def entomb(self, pk: str, time: str, identifiers: Sequence[str]) -> None:
        """Replace the wrapped key by the instant of erasure."""
        actions = [
            self._keys.wrapped.remove(),
            self._keys.erased.set(time),
            self._keys.identifiers.set(list(identifiers)),
        ]
        self._update(pk, actions, self._keys.wrapped.exists())

    def settle(self, pk: str) -> None:
        """Forget the identifier rows of a tombstone."""
        self._update(pk, [self._keys.identifiers.remove()], self._keys.erased.exists())

    def _update(self, pk: str, actions: list[Any], condition: Any) -> None:
        try:
            self._keys(pk).update(actions, condition=condition, add_version_condition=False)
        except UpdateError as error:
            if not _code(error).startswith(_FAILED):
                raise _write_fault(error) from error


def _row(item: Any) -> Row:
    values: dict[str, Value] = {}
    for name in item.get_attributes():
        value = getattr(item, name)
        if value is None or name in ("pk", "sk"):
            continue
        if isinstance(value, list | tuple):
            values[name] = [str(element) for element in value]
        else:
            values[name] = value if isinstance(value, bytes | str) else int(value)
    return Row(Key(item.pk, item.sk), values)


def _code(error: PynamoDBException) -> str:
    return error.cause_response_code or ""


def _write_fault(error: PynamoDBException) -> Exception:
    """The error to raise for a failed write: `Contended`, `OutcomeUnknown`, or our own bug as it came."""
    code = _code(error)
    if code in _CONTENDED:
        return Contended(f"DynamoDB wrote nothing: {code}")
    if code in _UNKNOWN or code.startswith("5"):
        return OutcomeUnknown(f"DynamoDB gave no certain answer: {code or type(error).__name__}")
    return error
