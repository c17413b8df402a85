"""Finds blocks in the entries of a strand: the block that holds an entry, and the first block since a time.

The seals are entries too. So a mirror of the log tells every event's block and block time. This module
verifies nothing. The caller takes the entries from a tree that it checked, or checks their seals afterwards
(`seal.verify_seal`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from carevouch.events.seal import BLOCK_SEALED, SEAL_TYP, Seal, parse_seal
from carevouch.kernel.jws import take_apart
from carevouch.ledger.block import Block, BlockFault, parse_block
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.tiles import WIDTH

# Reads the entries of a bundle by its number, from 0. The last bundle may be shorter than the others.
Bundle = Callable[[int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block and its seal."""

    block: Block
    seal: Seal

    @property
    def time(self) -> str:
        """The block time, which is the time of every event in the block."""
        return self.seal.time

    @property
    def text(self) -> str:
        """The seal's entry."""
        return self.seal.signed.text

    @property
    def hash(self) -> bytes:
        """The seal's leaf hash, which the next block links to."""
        return leaf_hash(self.text.encode("ascii"))


def closed_by(entry: bytes) -> SealedBlock | None:
    """The block that this entry closes; None for an entry of another kind. Raises `Malformed`."""
    text = entry.decode("ascii")
    if take_apart(text).typ != SEAL_TYP:
        return None
    seal = parse_seal(text)
    return SealedBlock(parse_block(seal.data), seal) if seal.type == BLOCK_SEALED else None


def block_at(index: int, size: int, bundle: Bundle) -> SealedBlock:
    """The block that holds entry `index` of a log of `size` entries, found by the next seal.

    It reads the bundles up to that seal. Raises `BlockFault` if no seal follows, or if the seal's numbers do
    not include the entry.
    """
    for at in range(index, size):
        found = closed_by(bundle(at // WIDTH)[at % WIDTH])
        if found is not None:
            if found.block.end != at + 1 or found.block.first > index:
                raise BlockFault(f"the seal at entry {at} does not close the block of entry {index}")
            return found
    raise BlockFault(f"entry {index} of {size} is in no block")


def blocks_from(first: int, size: int, bundle: Bundle) -> Iterator[SealedBlock]:
    """The blocks from entry `first`, with which a block begins, to the end of the log."""
    while first < size:
        found = block_at(first, size, bundle)
        yield found
        first = found.block.end


def first_since(time: str, size: int, bundle: Bundle) -> int:
    """The first entry of the first block whose time is `time` or later; `size` if there is none.

    Block times never go back, so the search halves the log: it reads a bundle or two for each halving.
    """
    low, high = 0, -(-size // WIDTH)
    while low < high:
        middle = (low + high) // 2
        if block_at(middle * WIDTH, size, bundle).time < time:
            low = middle + 1
        else:
            high = middle
    # The search goes on from the last bundle that begins too early.
    start = 0 if low == 0 else block_at((low - 1) * WIDTH, size, bundle).block.first
    for found in blocks_from(start, size, bundle):
        if found.time >= time:
            return found.block.first
    return size
