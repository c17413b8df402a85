"""QLDB's own tree, against hashes of real ledgers, and what its shape cannot bind."""

from base64 import b64decode
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.encoding import sha256
from carevouch.qldb.tree import digest_from_proof, dot, root
from tests.unit.qldb import aws_examples as known
from tests.unit.qldb.journals import Ledger

HASHES = st.binary(min_size=32, max_size=32)


def test_a_published_list_of_entries_has_its_published_root_and_block() -> None:
    entries = root([b64decode(entry) for entry in known.ENTRIES])
    assert entries == b64decode(known.ENTRIES_HASH)
    assert dot(entries, b64decode(known.PREVIOUS)) == b64decode(known.BLOCK_HASH)


def test_a_published_proof_climbs_to_its_published_digest() -> None:
    proof = [b64decode(hash_) for hash_ in known.OTHER_PROOF]
    assert digest_from_proof(b64decode(known.OTHER_LEAF), proof) == b64decode(known.OTHER_DIGEST)
    for at in range(len(proof)):
        less = [*proof[:at], *proof[at + 1 :]]
        assert digest_from_proof(b64decode(known.OTHER_LEAF), less) != b64decode(known.OTHER_DIGEST)


def test_published_proofs_are_as_long_as_a_tree_from_block_0_to_the_tip_asks_for() -> None:
    """Two hashes lead out of four entries, and one is the block before. The rest lead up from there."""
    tree = Ledger(hashes=[bytes([at]) * 32 for at in range(177)])
    assert len(known.OTHER_PROOF) == 3 + len(tree.way_up(known.OTHER_NUMBER, known.OTHER_TIP))
    assert known.REVISION_PROOF.count("{{") == 3 + len(tree.way_up(known.NUMBER, known.TIP))
    # Of 177 leaves, the way up from leaf 175 has a level without a neighbour: the tree is not filled up.
    assert len(tree.way_up(known.OTHER_NUMBER, known.OTHER_TIP)) == 7
    # The neighbour of an odd block is the one before it, whose hash is in the proof already.
    assert known.OTHER_PROOF[2] == known.OTHER_PROOF[3]


@given(HASHES, HASHES)
def test_dot_has_no_order_and_sorts_by_signed_bytes_from_the_last(one: bytes, other: bytes) -> None:
    signed = [[byte - 256 if byte > 127 else byte for byte in reversed(hash_)] for hash_ in (one, other)]
    small, large = (one, other) if signed[0] <= signed[1] else (other, one)
    assert dot(one, other) == dot(other, one) == sha256(small + large)


@given(HASHES)
def test_dot_with_nothing_is_the_other(hash_: bytes) -> None:
    assert dot(hash_, b"") == dot(b"", hash_) == hash_
    assert dot(b"", b"") == root([]) == b""


@given(st.lists(HASHES, min_size=1, max_size=33), st.data())
def test_each_leaf_climbs_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    path = Ledger(hashes=leaves).way_up(at, len(leaves) - 1)
    assert digest_from_proof(leaves[at], path) == root(leaves) == reduce(dot, path, leaves[at])
