"""The ledger's own table on DynamoDB (heads, marks, the sweeper's notes), and the documents' event rows.

Every read but the sparse index's is strongly consistent. A call that may or may not have happened raises
`OutcomeUnknown`; a failed condition may also mean that an earlier try of the client library won, so callers
of `swap` read again. Keys: `S#<log>` the head, `M#<log>#<mark>` a mark, `N#…` the sweeper's notes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Edge
from carevouch.sealing.marks import Head, Mark
from carevouch.store.documents.model import home_of, unpack_keys
from carevouch.store.log.ports import EventRow, HeadMoved, IndexRow, Retry, StoredHead
from carevouch.store.rows import Row, Value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "unsealed"
# DynamoDB's limits of key lengths, in bytes.
MAX_PK, MAX_SK = 2_048, 1_024
CERT_ROW, REJECTED_SUFFIX = "cert", "#rejected"
# Limits of BatchGetItem and BatchWriteItem.
BATCH_GET, BATCH_WRITE = 100, 25
# Items of a query that are asked for at once.
PAGE = 500
# A batch call may leave items undone when throttled; after this many rounds the whole batch is tried again.
MAX_ROUNDS = 8
_FAILED = "ConditionalCheckFailedException"
# Answers after which nothing was written for certain.
_REFUSED = {"ValidationException", "AccessDeniedException", "ResourceNotFoundException"}
_EVENT_FIELDS = ("pk", "sk", "event", "kid", "n", "rows", "home")
Item = dict[str, Any]
T = TypeVar("T")


class DynamoLedger:
    """`ports.Heads`, `ports.Marks` and `ports.Notes` in the ledger table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    # --- heads

    def read(self, log: LogName) -> StoredHead:
        """The head, strongly consistent."""
        item = self._get(f"S#{log}", "head")
        return StoredHead(Head(log)) if item is None else _head(log, item)

    def swap(self, before: StoredHead, after: StoredHead) -> None:
        """Replace exactly `before`."""
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
            if _code(error) == _FAILED:
                raise HeadMoved from None
            raise _unknown(error) from error
        except BotoCoreError as error:
            raise _unknown(error) from error

    # --- marks

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        """Those that exist, strongly consistent."""
        wanted = [Key(f"M#{log}#{key}", "mark") for key in dict.fromkeys(keys)]
        found: dict[str, Mark] = {}
        for item in batch_get(self._client, self._table, wanted):
            mark = _mark(item)
            found[mark.key] = mark
        return found

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        """Write them; the same again is harmless."""
        for chunk in _chunks(marks, BATCH_WRITE):
            left: Any = {self._table: [{"PutRequest": {"Item": _mark_item(log, mark)}} for mark in chunk]}
            for _ in range(MAX_ROUNDS):
                left = self._client.batch_write_item(RequestItems=left).get("UnprocessedItems")
                if not left:
                    break
            else:
                raise OutcomeUnknown("DynamoDB did not take all marks")

    # --- the sweeper's notes

    def cursor(self, name: str) -> int:
        """All numbers up to this one are settled."""
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
                Key=_key(Key(f"N#cursor#{name}", "cursor")),
                UpdateExpression="SET n = :high",
                ConditionExpression=condition,
                ExpressionAttributeValues={":below": {"N": str(low - 1)}, ":high": {"N": str(high)}},
            )
        except ClientError as error:
            if _code(error) != _FAILED:
                raise

    def retries(self) -> Iterator[Retry]:
        """All events that wait for their certificate."""
        question = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "N#retry"}},
            "ConsistentRead": True,
        }
        for item in _queried(self._client, question):
            yield Retry(Key(item["rowpk"]["S"], item["rowsk"]["S"]))

    def remember(self, retry: Retry) -> None:
        """Wait for this one; a row with a longer key than any of ours does not wait."""
        key, note = retry.key, _retry_key(retry.key)
        if not _is_key(note):
            return
        item = {**_key(note), "rowpk": {"S": key.pk}, "rowsk": {"S": key.sk}}
        self._client.put_item(TableName=self._table, Item=item)

    def forget(self, key: Key) -> None:
        """It is settled."""
        self._client.delete_item(TableName=self._table, Key=_key(_retry_key(key)))

    def stopped(self) -> str:
        """The key that the last sweep came to which ran out of time."""
        item = self._get("N#stopped", "key")
        return item["key"]["S"] if item else ""

    def stop(self, kid: str) -> None:
        """A sweep runs out of time at this key."""
        item = {**_key(Key("N#stopped", "key")), "key": {"S": kid}}
        self._client.put_item(TableName=self._table, Item=item)

    # --- small secrets

    def keep_once(self, name: str, data: bytes) -> bytes:
        """Store `data` under `name` unless something is there; returns what is stored."""
        key = Key(f"N#{name}", "data")
        item = {**_key(key), "data": {"B": data}}
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if _code(error) != _FAILED:
                raise
        return self.kept(name) or data

    def kept(self, name: str) -> bytes | None:
        """What is stored under `name`."""
        item = self._get(f"N#{name}", "data")
        return item["data"]["B"] if item else None

    def _get(self, pk: str, sk: str) -> Item | None:
        key = _key(Key(pk, sk))
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")


class DynamoEvents:
    """`ports.Events` over the documents table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def fetch(self, keys: Sequence[Key]) -> list[EventRow]:
        """Those of the rows that carry an event."""
        wanted = [key for key in dict.fromkeys(keys) if may_carry_event(key)]
        found = batch_get(self._client, self._table, wanted, _EVENT_FIELDS)
        return [row for row in map(_event_row, found) if row is not None]

    def certificates(self, kids: Iterable[str]) -> Mapping[str, str]:
        """The texts of these keys' certificates."""
        keys = [Key(f"K#{kid}", CERT_ROW) for kid in kids]
        found = map(_row, batch_get(self._client, self._table, keys, ("pk", "sk", "event")))
        texts = {row.key.pk.removeprefix("K#"): row.text("event") for row in found}
        return {kid: text for kid, text in texts.items() if text is not None}

    def after(self, kid: str, n: int) -> Iterator[IndexRow]:
        """All rows under `kid` with a number above `n`, ascending, out of the index: may lag."""
        question = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "kid = :kid AND n > :n",
            "ExpressionAttributeValues": {":kid": {"S": kid}, ":n": {"N": str(n)}},
        }
        for item in _queried(self._client, question):
            yield IndexRow(Key(item["pk"]["S"], item["sk"]["S"]), int(float(item["n"]["N"])))

    def own_rows(self, row: EventRow) -> list[Key]:
        """The act's revision rows that themselves name this row as the home of their event.

        A forged event row that lists somebody else's rows gets no marker put beside those.
        """
        found = batch_get(self._client, self._table, row.rows, ("pk", "sk", "act", "home"))
        rows = [_row(item) for item in found]
        return sorted(found.key for found in rows if found.text("act") and home_of(found) == row.key)

    def answer(self, key: Key, seal: str) -> None:
        """Put the signed rejection beside the row; the first one stays, and none is put where no room is."""
        if not _is_key(key):
            return
        item = {**_key(key), "event": {"S": seal}}
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if _code(error) != _FAILED:
                raise


def may_carry_event(key: Key) -> bool:
    """Whether a row with this key may be an act's: no certificate, identifier, note of work, or rejection."""
    return not key.pk.startswith(("K#", "I#", "E#")) and not key.sk.endswith(REJECTED_SUFFIX)


def batch_get(
    client: "DynamoDBClient", table: str, keys: Sequence[Key], fields: Sequence[str] = ()
) -> Iterator[Item]:
    """The items that exist, strongly consistent, in no order; no key longer than DynamoDB takes has one."""
    names = {f"#f{number}": name for number, name in enumerate(fields)}
    for chunk in _chunks(list(filter(_is_key, dict.fromkeys(keys))), BATCH_GET):
        ask: Item = {"Keys": [_key(key) for key in chunk], "ConsistentRead": True}
        if names:
            ask |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        left: Any = {table: ask}
        for _ in range(MAX_ROUNDS):
            answer = client.batch_get_item(RequestItems=left)
            yield from answer["Responses"].get(table, [])
            left = answer.get("UnprocessedKeys")
            if not left:
                break
        else:
            raise OutcomeUnknown("DynamoDB did not give all rows")


def _queried(client: "DynamoDBClient", question: Item) -> Iterator[Item]:
    """All items of a query, page by page: DynamoDB ends a page where it likes."""
    ask = {**question, "Limit": PAGE}
    while True:
        answer = client.query(**ask)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        ask["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _head_item(stored: StoredHead) -> Item:
    head = stored.head
    item: Item = {
        **_key(Key(f"S#{head.log}", "head")),
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


def _head(log: LogName, item: Item) -> StoredHead:
    edge = Edge(int(item["size"]["N"]), tuple(value["B"] for value in item["edge"]["L"]))
    prev = item["prev"]["B"] if "prev" in item else None
    # A head of before they were counted may have some.
    block, rejections = int(item["block"]["N"]), int(item.get("rejections", {"N": "1"})["N"])
    head = Head(log, edge, block, prev, item["time"]["S"], rejections)
    return StoredHead(head, int(item["version"]["N"]), item.get("pending", {}).get("S"))


def _mark_item(log: LogName, mark: Mark) -> Item:
    key = Key(f"M#{log}#{mark.key}", "mark")
    item = {**_key(key), "index": {"N": str(mark.index)}, "leaf": {"B": mark.leaf}}
    if mark.block is not None and mark.time is not None:
        item |= {"block": {"N": str(mark.block)}, "time": {"S": mark.time}}
    return item


def _mark(item: Item) -> Mark:
    block, time = item.get("block", {}).get("N"), item.get("time", {}).get("S")
    key, index, leaf = item["pk"]["S"].split("#", 2)[2], int(item["index"]["N"]), item["leaf"]["B"]
    return Mark(key, index, leaf, None if block is None else int(block), time)


def _event_row(item: Item) -> EventRow | None:
    row = _row(item)
    text, kid, n = row.text("event"), row.text("kid"), row.number("n")
    if text is None:
        return None
    try:
        rows = unpack_keys(row)
    except (ValueError, IndexError):
        rows = []  # Somebody wrote nonsense: its event is judged all the same, and has no rows to mark.
    return EventRow(row.key, text, kid or "", n or 0, tuple(key for key in rows if _is_key(key)))


def _is_key(key: Key) -> bool:
    """Whether DynamoDB would take it: one bad key would fail a whole batch."""
    return 1 <= len(key.pk.encode()) <= MAX_PK and 1 <= len(key.sk.encode()) <= MAX_SK


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


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _retry_key(key: Key) -> Key:
    return Key("N#retry", f"{key.pk} {key.sk}")


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unknown(error: ClientError | BotoCoreError) -> Exception:
    if isinstance(error, ClientError) and _code(error) in _REFUSED:
        return error
    return OutcomeUnknown(f"DynamoDB gave no certain answer: {type(error).__name__}")
