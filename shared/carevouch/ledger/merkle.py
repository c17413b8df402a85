"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1): roots, edges, inclusion and consistency.

Functions here compute *which* hashes they need and ask a `HashReader` for all of them at once. The reader
knows where hashes lie: in tiles on a disk, in S3, or in a test's dict. A failed check raises with the
mismatch. Sizes and roots must come from a verified checkpoint, and never from the file of a proof.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault

EMPTY_ROOT = sha256(b"")
HASH_LENGTH = 32
# A log of tlog-tiles has fewer than 2^63 entries, so no path is longer.
MAX_PATH = 63


class InclusionFault(IntegrityFault):
    """A proof does not lead from the leaf to the root."""


class ConsistencyFault(IntegrityFault):
    """A later tree does not continue an earlier one."""


@dataclass(frozen=True, slots=True)
class Node:
    """The root of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level)."""

    level: int
    index: int


class HashReader(Protocol):
    """A source of the hashes of complete subtrees."""

    def read(self, nodes: Sequence[Node]) -> Sequence[bytes]:
        """The hashes of `nodes`, in that order; raises if one is not available."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry: SHA-256(00 || data)."""
    return sha256(b"\x00" + data)


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each entry."""
    digest = hashlib.sha256
    return [digest(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(01 || left || right)."""
    return sha256(b"\x01" + left + right)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """MTH of the tree over `leaf_hashes`. For no leaf it is the hash of the empty string."""
    return Edge().extended(leaf_hashes).root()


@dataclass(frozen=True, slots=True)
class Edge:
    """A compact range from leaf 0: the roots of the complete subtrees of `size`, largest first.

    To append, no more is needed: at most 63 hashes for a log of any size.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise IntegrityFault(
                f"the edge of a tree of {self.size} leaves does not have {len(self.hashes)} hashes"
            )

    def extended(self, leaf_hashes: Iterable[bytes]) -> "Edge":
        """The edge after appending `leaf_hashes`."""
        return self.grown(list(leaf_hashes)).edge

    def grown(self, leaf_hashes: Sequence[bytes]) -> "Growth":
        """The growth of the tree by `leaf_hashes`, level by level. Each inner node is hashed once."""
        open_, after = list(self.hashes), []
        row, levels, digest = leaf_hashes, [leaf_hashes], hashlib.sha256
        while row:
            # The first new node of a level may have its left sibling in the edge.
            if self.size >> (len(levels) - 1) & 1:
                row = [open_.pop(), *row]
            if len(row) & 1:
                after.append(row[-1])
            pairs = zip(row[::2], row[1::2], strict=False)
            row = [digest(b"\x01" + left + right).digest() for left, right in pairs]
            levels.append(row)
        edge = Edge(self.size + len(leaf_hashes), (*open_, *reversed(after)))
        return Growth(self, edge, tuple(levels))

    def nodes(self) -> dict[Node, bytes]:
        """The complete subtrees that the edge is made of, with their hashes."""
        levels = [level for level in range(self.size.bit_length() - 1, -1, -1) if self.size >> level & 1]
        return {
            Node(level, (self.size >> level) - 1): hash_
            for level, hash_ in zip(levels, self.hashes, strict=True)
        }

    def root(self) -> bytes:
        """The root of the tree with this edge."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Growth:
    """The result of appending leaves to the tree with edge `before`: its new edge and all new inner nodes.

    `levels[k]` has the hashes, left to right, of the subtrees of 2^k leaves that became complete. `levels[0]`
    has the appended leaves.
    """

    before: Edge
    edge: Edge
    levels: tuple[Sequence[bytes], ...]


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, D[n]) of RFC 6962 section 2.1.1, from all leaf hashes, the leaf's sibling first."""
    return inclusion_proof(_LeavesInMemory(leaf_hashes), index, len(leaf_hashes))


def inclusion_proof(reader: HashReader, index: int, size: int) -> list[bytes]:
    """The path from leaf `index` to the root of the tree of `size` leaves, the leaf's sibling first."""
    if not 0 <= index < size:
        raise InclusionFault(f"a tree of {size} leaves has no leaf {index}")
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return _read_ranges(reader, ranges[::-1])


def consistency_proof(reader: HashReader, old_size: int, new_size: int) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962 section 2.1.2. It is empty if the old size is 0 or the new size."""
    if not 0 <= old_size <= new_size:
        raise ConsistencyFault(f"a tree of {new_size} leaves does not continue one of {old_size}")
    if old_size in (0, new_size):
        return []
    low, high, ranges, whole = 0, new_size, [], True
    while high != old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, whole = middle, False
    if not whole:
        ranges.append((low, high))
    return _read_ranges(reader, ranges[::-1])


def root_from_inclusion(index: int, size: int, leaf_hash: bytes, path: Sequence[bytes]) -> bytes:
    """The root that `path` leads to from `leaf_hash` (RFC 9162 section 2.1.3.2).

    Raises `InclusionFault` if the index is outside the tree, or the path is too short or too long.
    """
    if not 0 <= index < size:
        raise InclusionFault(f"a tree of {size} leaves has no leaf {index}")
    _check_lengths([leaf_hash, *path], InclusionFault)
    hash_, here, last = leaf_hash, index, size - 1
    for sibling in path:
        if last == 0:
            raise InclusionFault(f"the path of leaf {index} of {size} is too long")
        if here & 1 or here == last:
            hash_ = node_hash(sibling, hash_)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise InclusionFault(f"the path of leaf {index} of {size} is too short")
    return hash_


def verify_inclusion(index: int, size: int, leaf_hash: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Raise `InclusionFault` unless the leaf is at `index` in the tree of `size` leaves with `root`."""
    if root_from_inclusion(index, size, leaf_hash, path) != root:
        raise InclusionFault(f"the entry is not leaf {index} of the tree of {size} leaves with that root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise `ConsistencyFault` unless the new tree continues the old one (RFC 9162 section 2.1.4.2).

    From size 0 the proof is empty, as tlog-witness says.
    """
    if not 0 <= old_size <= new_size:
        raise ConsistencyFault(f"a tree of {new_size} leaves does not continue one of {old_size}")
    if old_size in (0, new_size):
        _check_trivial(old_size, old_root, new_size, new_root, proof)
        return
    if root_from_consistency(old_size, old_root, new_size, proof) != new_root:
        raise ConsistencyFault(f"the proof does not lead to the new root at size {new_size}")


def root_from_consistency(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> bytes:
    """The root of the tree of `new_size` leaves to which `proof` leads from the old one.

    Raises `ConsistencyFault` unless 0 < old size < new size, if the proof is too short or too long, and if it
    does not lead to `old_root` too.
    """
    if not 0 < old_size < new_size:
        raise ConsistencyFault(f"no proof leads from a tree of {old_size} leaves to one of {new_size}")
    _check_lengths([old_root, *proof], ConsistencyFault)
    # A complete old tree is a node of the new one, so the proof leaves it out.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise ConsistencyFault("the consistency proof is too short")
    here, last = old_size - 1, new_size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0]
    for hash_ in path[1:]:
        if last == 0:
            raise ConsistencyFault("the consistency proof is too long")
        if here & 1 or here == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        here, last = here >> 1, last >> 1
    if last:
        raise ConsistencyFault("the consistency proof is too short")
    if old != old_root:
        raise ConsistencyFault(f"the proof does not lead to the old root at size {old_size}")
    return new


def cover(low: int, high: int) -> list[Node]:
    """The complete subtrees, left to right, over the leaves [low, high). A subtree must begin at `low`."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append(Node(level, low >> level))
        low += 1 << level
    return nodes


def edge_at(reader: HashReader, size: int) -> Edge:
    """The edge of the tree of `size` leaves, from stored hashes."""
    return Edge(size, tuple(reader.read(cover(0, size))))


def _check_trivial(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ConsistencyFault(f"from size {old_size} to {new_size} the proof is empty")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ConsistencyFault("the old root is not that of the empty tree")
    if old_size == new_size and old_root != new_root:
        raise ConsistencyFault(f"two different roots for the same size {new_size}")


def _check_lengths(hashes: Sequence[bytes], fault: type[IntegrityFault]) -> None:
    if len(hashes) > 2 * MAX_PATH or any(len(hash_) != HASH_LENGTH for hash_ in hashes):
        raise fault(f"a proof must have at most {2 * MAX_PATH} hashes of 32 bytes")


def _split(count: int) -> int:
    """The largest power of two below `count` (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _fold(hashes: Sequence[bytes]) -> bytes:
    result = hashes[-1]
    for hash_ in reversed(hashes[:-1]):
        result = node_hash(hash_, result)
    return result


def _read_ranges(reader: HashReader, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    covers = [cover(low, high) for low, high in ranges]
    hashes = iter(reader.read([node for nodes in covers for node in nodes]))
    return [_fold([next(hashes) for _ in nodes]) for nodes in covers]


class _LeavesInMemory:
    """Reads inner nodes by hashing them out of their leaves: right for the few leaves of one act."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self._leaves = leaf_hashes

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        """Each node from its own leaves."""
        return [root(self._leaves[n.index << n.level : (n.index + 1) << n.level]) for n in nodes]
