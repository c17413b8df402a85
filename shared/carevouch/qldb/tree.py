"""QLDB's tree: how two hashes become one, and many the root of them.

`dot` is QLDB's own and no RFC's: the two hashes are sorted before they are joined, leaves and nodes are
hashed alike, and nothing tells left from right. So a path through the tree binds what is in it and never
where: positions are for the numbers of blocks. (AWS: "Using a proof to recalculate your digest",
https://docs.aws.amazon.com/qldb/latest/developerguide/verification.results.html.)
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from carevouch.kernel.encoding import sha256

HASH_LENGTH = 32
# A byte's place among signed ones: -128 first.
_SIGNED = bytes(range(128, 256)) + bytes(range(128))


def dot(one: bytes, other: bytes) -> bytes:
    """The hash of two hashes in either order; with an empty one, the other itself."""
    if not one or not other:
        return one or other
    return sha256(one + other if _key(one) < _key(other) else other + one)


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaves: neighbours are joined, a last odd one goes up as it is; empty for none."""
    row = list(hashes)
    while len(row) > 1:
        pairs = [dot(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2 :]
    return row[0] if row else b""


def climbed(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """What a leaf becomes with each hash of a proof in turn: the digest, if the proof is true."""
    return reduce(dot, proof, leaf)


def _key(hash_: bytes) -> bytes:
    """By which hashes are sorted: as signed bytes, the last one first."""
    return hash_[::-1].translate(_SIGNED)
