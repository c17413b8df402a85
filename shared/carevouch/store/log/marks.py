"""The marks in the ledger's table: `M#<log>#<mark>` says where an entry stands and which it is.

The sealer alone writes them, and doors believe them. A reader needs no permission but `BatchGetItem`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.sealing.marks import Mark
from carevouch.store.log.items import Item, batch_get, batch_put, item_key
from carevouch.store.log.ports import StrandMark

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoMarks:
    """`ports.Marks` in the ledger's table; `find` reads those of several strands in one call."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, log: LogName, keys: Sequence[str]) -> Mapping[str, Mark]:
        """The marks that exist among these keys of one log, strongly consistent."""
        wanted = [_row_key(log, key) for key in dict.fromkeys(keys)]
        return {mark.key: mark for mark in map(_mark, batch_get(self._client, self._table, wanted))}

    def find(self, wanted: Sequence[StrandMark]) -> Mapping[StrandMark, Mark]:
        """The marks that exist among these keys of several strands, strongly consistent."""
        by_row = {_row_key(strand, key): (strand, key) for strand, key in wanted}
        items = batch_get(self._client, self._table, list(by_row))
        return {by_row[Key(item["pk"]["S"], item["sk"]["S"])]: _mark(item) for item in items}

    def put(self, log: LogName, marks: Sequence[Mark]) -> None:
        """Write the marks of one log; the same again is harmless."""
        items: list[Item] = []
        for mark in marks:
            key = item_key(_row_key(log, mark.key))
            item = {**key, "index": {"N": str(mark.index)}, "leaf": {"B": mark.leaf}}
            if mark.block is not None and mark.time is not None:
                item |= {"block": {"N": str(mark.block)}, "time": {"S": mark.time}}
            items.append(item)
        batch_put(self._client, self._table, items)


def _row_key(log: LogName, key: str) -> Key:
    return Key(f"M#{log}#{key}", "mark")


def _mark(item: Item) -> Mark:
    block, time = item.get("block", {}).get("N"), item.get("time", {}).get("S")
    key, index, leaf = item["pk"]["S"].split("#", 2)[2], int(item["index"]["N"]), item["leaf"]["B"]
    return Mark(key, index, leaf, None if block is None else int(block), time)
