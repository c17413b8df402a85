"""The units that DynamoDB bills for a call, computed from its request and answer without AWS.

The rules (Amazon DynamoDB Developer Guide, "Capacity unit consumption" and "Item sizes and formats"):

- an item's size is the UTF-8 length of its attribute names and the sizes of its values: text its bytes,
  binary its bytes, a number (digits + 1) / 2 + 1, a list 3 + 1 per element, true, false and null 1;
- a write costs a unit per started KB of the larger of the item before and after, also when its condition
  fails; in a transaction twice that, condition checks included;
- a strongly consistent read costs a unit per started 4 KB of each item (GetItem, BatchGetItem) or of all
  items together (Query); an eventually consistent one half of it; at least one unit is billed;
- an item that a sparse index projects costs a write of what is projected.

Sizes are those of whole items, also where a read projects a part, so the meter remembers what was written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
WRITE_BYTES, READ_BYTES = 1024, 4096
# What the template's index of unsealed events projects, and the attributes that put an item into it.
INDEXED = ("pk", "sk", "kid", "n")


@dataclass(frozen=True, slots=True)
class Units:
    """Consumed request units."""

    write: float = 0
    read: float = 0

    def __add__(self, other: "Units") -> "Units":
        return Units(self.write + other.write, self.read + other.read)


@dataclass(slots=True)
class Sizes:
    """How large each item is, by table and key, from the writes that were seen."""

    known: dict[tuple[str, str], int] = field(default_factory=dict)

    def of(self, table: str, key: Item) -> int:
        """The size of a stored item; 0 where there is none."""
        return self.known.get((table, _name(key)), 0)

    def put(self, table: str, item: Item) -> int:
        """Remember a written item; the larger of before and after."""
        before, after = self.of(table, item), item_bytes(item)
        self.known[table, _name(item)] = after
        return max(before, after)

    def drop(self, table: str, key: Item) -> int:
        """Forget a removed item; its size."""
        return self.known.pop((table, _name(key)), 0)


def consumed(operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any], sizes: Sizes) -> Units:
    """The units of one DynamoDB call; `answer` holds `Error` if it was refused, and nothing was written."""
    if operation in ("GetItem", "Query"):
        return _read(operation, asked, answer, sizes)
    if operation == "BatchGetItem":
        return Units(read=sum(_batch_reads(asked, sizes)))
    written = "Error" not in answer
    if operation == "TransactWriteItems":
        items = [next(iter(item.items())) for item in asked["TransactItems"]]
        return sum((_write(kind, one, sizes, 2, written) for kind, one in items), Units())
    if operation == "BatchWriteItem":
        return sum(
            (
                _write("Put", {"TableName": table, **one["PutRequest"]}, sizes, 1, written)
                for table, one in _puts(asked)
            ),
            Units(),
        )
    kinds = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}
    return _write(kinds[operation], asked, sizes, 1, written) if operation in kinds else Units()


def item_bytes(item: Item) -> int:
    """The size of an item by DynamoDB's rules."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content)
    if kind == "N":
        return ceil(len(content.lstrip("-").replace(".", "")) / 2) + 1
    if kind == "L":
        return 3 + sum(1 + _value_bytes(element) for element in content)
    return 1


def _write(kind: str, one: Mapping[str, Any], sizes: Sizes, times: int, written: bool) -> Units:
    table = one["TableName"]
    if kind == "Put":
        item = one["Item"]
        size = sizes.put(table, item) if written else sizes.of(table, item)
        index = (
            _units(item_bytes({name: item[name] for name in INDEXED}), WRITE_BYTES) if _indexed(item) else 0
        )
        return Units(write=times * _units(size, WRITE_BYTES) + (index if written else 0))
    if kind == "Delete":
        return Units(write=times * _units(sizes.drop(table, one["Key"]), WRITE_BYTES))
    return Units(write=times * _units(sizes.of(table, one["Key"]), WRITE_BYTES))


def _indexed(item: Item) -> bool:
    return all(name in item for name in INDEXED)


def _read(operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any], sizes: Sizes) -> Units:
    share = 1 if asked.get("ConsistentRead") else 0.5
    if operation == "GetItem":
        return Units(read=share * _units(sizes.of(asked["TableName"], asked["Key"]), READ_BYTES))
    items = answer.get("Items", [])
    if "IndexName" in asked:
        return Units(read=share * _units(sum(map(item_bytes, items)), READ_BYTES))
    return Units(read=share * _units(sum(sizes.of(asked["TableName"], item) for item in items), READ_BYTES))


def _batch_reads(asked: Mapping[str, Any], sizes: Sizes) -> Iterator[float]:
    for table, wanted in asked["RequestItems"].items():
        share = 1 if wanted.get("ConsistentRead") else 0.5
        yield from (share * _units(sizes.of(table, key), READ_BYTES) for key in wanted["Keys"])


def _puts(asked: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for table, requests in asked["RequestItems"].items():
        yield from ((table, request) for request in requests)


def _units(size: int, of: int) -> int:
    return max(1, ceil(size / of))


def _name(item: Item) -> str:
    return " ".join(str(item[name]["S"]) for name in ("pk", "sk") if name in item)
