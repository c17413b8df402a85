"""The ledger's own table on DynamoDB (heads, marks, the sweep's notes), and the documents' event rows.

Every read but the sparse index's is strongly consistent. A call that may or may not have happened raises
`OutcomeUnknown`. A failed condition may also mean that an earlier try of the client library succeeded, so
callers of `swap` read again. Keys: `S#<log>` the head, `M#<log>#<mark>` a mark, `N#…` the sweep's notes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Edge
from carevouch.sealing.marks import Head
from carevouch.store.documents.model import REJECTED_SUFFIX, home_of, unpack_keys
from carevouch.store.keys import CERT_ROW
from carevouch.store.log.items import (
    CONDITION_FAILED,
    Item,
    batch_get,
    error_code,
    is_storable,
    item_key,
    put_once,
    query_all,
    write_fault,
)
from carevouch.store.log.marks import DynamoMarks
from carevouch.store.log.ports import EventRow, HeadMoved, IndexRow, Retry, StoredHead
from carevouch.store.rows import Row, Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "unsealed"
_EVENT_FIELDS = ("pk", "sk", "event", "kid", "n", "rows", "home")


class DynamoLedger(DynamoMarks):
    """`ports.Heads`, `ports.Marks` and `ports.Notes` in the ledger table."""

    # --- heads

    def read(self, log: LogName) -> StoredHead:
        """The head, strongly consistent; the empty one of a log that was never written."""
        item = self._get(f"S#{log}", "head")
        if item is None:
            return StoredHead(Head(log))
        edge = Edge(int(item["size"]["N"]), tuple(value["B"] for value in item["edge"]["L"]))
        prev = item["prev"]["B"] if "prev" in item else None
        # Heads that were written before rejections were counted may have some.
        block, rejections = int(item["block"]["N"]), int(item.get("rejections", {"N": "1"})["N"])
        head = Head(log, edge, block, prev, item["time"]["S"], rejections)
        return StoredHead(head, int(item["version"]["N"]), item.get("pending", {}).get("S"))

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        """Replace exactly `before`. Raises `HeadMoved`, `OutcomeUnknown`."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if before.version:
            condition = {
                "ConditionExpression": "#v = :v",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":v": {"N": str(before.version)}},
            }
        item = _head_item(after)
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if error_code(error) == CONDITION_FAILED:
                raise HeadMoved from None
            raise write_fault(error) from error
        except BotoCoreError as error:
            raise write_fault(error) from error

    # --- the sweep's notes

    def cursor(self, name: str) -> int:
        """The number up to which all numbers are settled."""
        item = self._get(f"N#cursor#{name}", "cursor")
        return int(item["n"]["N"]) if item else 0

    def advance(self, name: str, low: int, high: int) -> None:
        """Move the cursor to `high` if all below `low` is settled; never back."""
        condition = "n >= :below AND n < :high"
        if low <= 1:
            condition = f"attribute_not_exists(n) OR ({condition})"
        try:
            self._client.update_item(
                TableName=self._table,
                Key=item_key(Key(f"N#cursor#{name}", "cursor")),
                UpdateExpression="SET n = :high",
                ConditionExpression=condition,
                ExpressionAttributeValues={":below": {"N": str(low - 1)}, ":high": {"N": str(high)}},
            )
        except ClientError as error:
            if error_code(error) != CONDITION_FAILED:
                raise

    def retries(self) -> Iterator[Retry]:
        """All events that wait for their certificate."""
        question = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "N#retry"}},
            "ConsistentRead": True,
        }
        for item in query_all(self._client, question):
            yield Retry(Key(item["rowpk"]["S"], item["rowsk"]["S"]))

    def remember(self, retry: Retry) -> None:
        """Note an event that waits. A row whose key is longer than any of ours is not noted."""
        key, note = retry.key, _retry_key(retry.key)
        if not is_storable(note):
            return
        item = {**item_key(note), "rowpk": {"S": key.pk}, "rowsk": {"S": key.sk}}
        self._client.put_item(TableName=self._table, Item=item)

    def forget(self, key: Key) -> None:
        """Remove the note of an event that is settled."""
        self._client.delete_item(TableName=self._table, Key=item_key(_retry_key(key)))

    def stopped(self) -> str:
        """The key at which the last sweep ran out of time; empty if none did."""
        item = self._get("N#stopped", "key")
        return item["key"]["S"] if item else ""

    def stop(self, kid: str) -> None:
        """Note the key at which a sweep runs out of time."""
        item = {**item_key(Key("N#stopped", "key")), "key": {"S": kid}}
        self._client.put_item(TableName=self._table, Item=item)

    # --- small secrets

    def store_secret(self, name: str, data: bytes) -> bytes:
        """Store `data` under `name` unless there is an item already; returns the stored data."""
        put_once(self._client, self._table, {**item_key(Key(f"N#{name}", "data")), "data": {"B": data}})
        return self.read_secret(name) or data

    def read_secret(self, name: str) -> bytes | None:
        """The data stored under `name`; None if there is none."""
        item = self._get(f"N#{name}", "data")
        return item["data"]["B"] if item else None

    def _get(self, pk: str, sk: str) -> Item | None:
        key = item_key(Key(pk, sk))
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")


class DynamoEvents:
    """`ports.Events` over the documents table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        """The rows among these that carry an event."""
        wanted = [key for key in dict.fromkeys(keys) if may_carry_event(key)]
        rows = []
        for row in map(_row, batch_get(self._client, self._table, wanted, _EVENT_FIELDS)):
            text, kid, n = row.text("event"), row.text("kid"), row.number("n")
            if text is None:
                continue
            try:
                own = unpack_keys(row)
            except (ValueError, IndexError):
                own = []  # A nonsensical list of rows: the event is judged, and has no rows to mark.
            rows.append(EventRow(row.key, text, kid or "", n or 0, tuple(filter(is_storable, own))))
        return rows

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        """The texts of these keys' certificates, by kid."""
        keys = [Key(f"K#{kid}", CERT_ROW) for kid in kids]
        found = map(_row, batch_get(self._client, self._table, keys, ("pk", "sk", "event")))
        texts = {row.key.pk.removeprefix("K#"): row.text("event") for row in found}
        return {kid: text for kid, text in texts.items() if text is not None}

    def after(self, kid: str, n: int) -> Iterator[IndexRow]:
        """All rows under `kid` with a number above `n`, ascending. The index may lag."""
        question = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "kid = :kid AND n > :n",
            "ExpressionAttributeValues": {":kid": {"S": kid}, ":n": {"N": str(n)}},
        }
        for item in query_all(self._client, question):
            yield IndexRow(Key(item["pk"]["S"], item["sk"]["S"]), int(float(item["n"]["N"])))

    def own_rows(self, row: EventRow) -> list[Key]:
        """The act's revision rows that themselves name this row as the home of their event.

        A forged event row may list rows of other acts. No rejection is put beside those.
        """
        items = batch_get(self._client, self._table, row.rows, ("pk", "sk", "act", "home"))
        rows = [_row(item) for item in items]
        return sorted(own.key for own in rows if own.text("act") and home_of(own) == row.key)

    def answer(self, key: Key, seal: str) -> None:
        """Put the signed rejection beside the row. The first one stays; a key that is too long gets none."""
        if is_storable(key):
            put_once(self._client, self._table, {**item_key(key), "event": {"S": seal}})


def may_carry_event(key: Key) -> bool:
    """Whether a row with this key may be an act's: no certificate, identifier, note of work, or rejection."""
    return not key.pk.startswith(("K#", "I#", "E#")) and not key.sk.endswith(REJECTED_SUFFIX)


def _head_item(stored: StoredHead) -> Item:
    head = stored.head
    item: Item = {
        **item_key(Key(f"S#{head.log}", "head")),
        "version": {"N": str(stored.version)},
        "size": {"N": str(head.edge.size)},
        "root": {"B": head.edge.root()},
        "edge": {"L": [{"B": hash_} for hash_ in head.edge.hashes]},
        "block": {"N": str(head.block)},
        "time": {"S": head.time},
        "rejections": {"N": str(head.rejections)},
    }
    if head.prev is not None:
        item["prev"] = {"B": head.prev}
    if stored.pending is not None:
        item["pending"] = {"S": stored.pending}
    return item


def _row(item: Item) -> Row:
    values: dict[str, Value] = {}
    for name, value in item.items():
        if "S" in value:
            values[name] = value["S"]
        elif "N" in value:
            values[name] = int(float(value["N"]))
        elif "L" in value:
            values[name] = [str(element.get("S", "")) for element in value["L"]]
    return Row(Key(item["pk"]["S"], item["sk"]["S"]), values)


def _retry_key(key: Key) -> Key:
    return Key("N#retry", f"{key.pk} {key.sk}")
