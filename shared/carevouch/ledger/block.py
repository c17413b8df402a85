"""Blocks: the statement in the last entry of each sealed batch (`block.sealed`, FORMATS.md, 4).

A block says where its batch begins and links to the block before it by leaf hash. So a reader of a mirror can
walk the log batch by batch. Blocks are a view of the tree and never a second source of truth.
"""

from dataclasses import dataclass
from typing import Any

from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.merkle import HASH_LENGTH

_MEMBERS = frozenset(["number", "first", "count", "prev"])


class BlockFault(IntegrityFault):
    """A block does not follow from the one before it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Block `number` (from 0): `count` entries from index `first`, of which the last is the block's seal.

    `prev` is the leaf hash of the previous block's seal; None for the first block.
    """

    number: int
    first: int
    count: int
    prev: bytes | None

    @property
    def end(self) -> int:
        """The size of the log once this block is sealed."""
        return self.first + self.count

    @property
    def data(self) -> JsonObject:
        """The `data` of the `block.sealed` payload."""
        prev = None if self.prev is None else b64u(self.prev)
        return {"number": self.number, "first": self.first, "count": self.count, "prev": prev}


def parse_block(data: Any) -> Block:
    """The block in `data`; raises `BlockFault` for data of another form."""
    if not isinstance(data, dict) or set(data) != _MEMBERS:
        raise BlockFault("block.sealed does not have exactly number, first, count and prev")
    numbers = [data[name] for name in ("number", "first", "count")]
    if not all(type(number) is int and 0 <= number < 2**53 for number in numbers) or not data["count"]:
        raise BlockFault("number, first and count of a block are whole numbers, count at least 1")
    return Block(data["number"], data["first"], data["count"], _prev(data["prev"]))


def check_follows(block: Block, number: int, first: int, prev: bytes | None) -> None:
    """Raise `BlockFault` unless `block` is number `number`, begins at `first` and links to `prev`."""
    if block.number != number:
        raise BlockFault(f"block {number} is expected, the seal says {block.number}")
    if block.first != first:
        raise BlockFault(f"block {number} begins at entry {first}, its seal says {block.first}")
    if block.prev != prev:
        raise BlockFault(f"block {number} does not link to the block before it")


def _prev(text: Any) -> bytes | None:
    if text is None:
        return None
    try:
        prev = unb64u(text, "prev") if isinstance(text, str) else b""
    except Malformed as error:
        raise BlockFault("the block's prev is not base64url") from error
    if len(prev) != HASH_LENGTH:
        raise BlockFault("the block's prev is not 32 bytes")
    return prev
