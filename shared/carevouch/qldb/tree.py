"""QLDB's hash tree: `dot` joins two hashes, `root` many.

`dot` is QLDB's own and in no RFC. It sorts the two hashes before it joins them, and hashes leaves and nodes
alike. So left and right look alike: a path through the tree proves that a hash is in it, not where. The
numbers of the blocks give the positions. (AWS: "Using a proof to recalculate your digest",
https://docs.aws.amazon.com/qldb/latest/developerguide/verification.results.html.)
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from carevouch.kernel.encoding import sha256

HASH_LENGTH = 32
# The rank of each byte among signed bytes: -128 is first.
_SIGNED = bytes(range(128, 256)) + bytes(range(128))


def dot(one: bytes, other: bytes) -> bytes:
    """The hash of two hashes in either order. If one is empty, it is the other."""
    if not one or not other:
        return one or other
    return sha256(one + other if _key(one) < _key(other) else other + one)


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaves. Neighbours are joined; a last odd leaf goes up as it is. No leaves: empty."""
    row = list(hashes)
    while len(row) > 1:
        pairs = [dot(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = pairs + row[len(pairs) * 2 :]
    return row[0] if row else b""


def digest_from_proof(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """The leaf joined with each hash of a proof in turn. A true proof gives the digest."""
    return reduce(dot, proof, leaf)


def _key(hash_: bytes) -> bytes:
    """The sort key of a hash: its bytes as signed numbers, from the last."""
    return hash_[::-1].translate(_SIGNED)
