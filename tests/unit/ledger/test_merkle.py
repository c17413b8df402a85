"""The tree against other people's vectors, an independent implementation, and wrong neighbours."""

import base64
import json
import tarfile
from collections.abc import Callable, Sequence
from typing import Any

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import merkle
from carevouch.ledger.merkle import Edge, Node
from tests.oracles import shared_path

ONE, TWO, THREE = (merkle.leaf_hash(entry) for entry in (b"one", b"two", b"three"))


class Leaves:
    """A reader that computes each node from its leaves and remembers how often it was asked."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.hashes = hashes
        self.calls = 0

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        self.calls += 1
        return [self._node(node.level, node.index) for node in nodes]

    def _node(self, level: int, index: int) -> bytes:
        if level == 0:
            return self.hashes[index]
        return merkle.node_hash(self._node(level - 1, 2 * index), self._node(level - 1, 2 * index + 1))


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(index.to_bytes(4, "big")) for index in range(count)]


def vectors(kind: str) -> dict[str, dict[str, Any]]:
    """The cases of one kind, by their names."""
    cases = {}
    with tarfile.open(shared_path("data/merkle/testdata.tar.gz")) as archive:
        for member in archive.getmembers():
            folder, _, name = member.name.partition(f"/{kind}/")
            file = archive.extractfile(member) if folder == "testdata" and member.isfile() else None
            if file is not None:
                cases[name.removesuffix(".json")] = json.loads(file.read())
    return cases


def unb64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_known_answers_of_rfc_6962() -> None:
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"L123456").hex().startswith("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad")
    node = merkle.node_hash(b"N123", b"N456").hex()
    assert node == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_first_three_roots_are_those_of_another_implementation() -> None:
    roots = [merkle.root([ONE, TWO, THREE][:size]).hex() for size in (1, 2, 3)]
    assert roots == [
        "d0d7360ab79f58ab1e1e3fe64ad77e2ea0bc07e36b5f46ed2223edd9298df9e9",
        "4f55f619d9215235778b2b9f17d6f4915b16171214d152381293669764de722e",
        "5aac771c899ac292e74bf1afe2e6e302f8b55883b2d1bf197b46a6bea6dabca9",
    ]


def included(case: dict[str, Any]) -> None:
    """A subtree that begins at the first leaf is the tree of its end."""
    path, size = [unb64(hash_) for hash_ in case["proof"] or []], case["end" if "end" in case else "treeSize"]
    merkle.verify_inclusion(case["leafIdx"], size, unb64(case["leafHash"]), path, unb64(case["root"]))


def continued(case: dict[str, Any]) -> None:
    proof = [unb64(hash_) for hash_ in case["proof"] or []]
    old, new = (case[name] for name in (("end", "size") if "end" in case else ("size1", "size2")))
    merkle.verify_consistency(old, unb64(case["root1"]), new, unb64(case["root2"]), proof)


def refused(verify: Callable[[dict[str, Any]], None], case: dict[str, Any]) -> bool:
    try:
        verify(case)
    except IntegrityFault:
        return True
    return False


def odd(verify: Callable[[dict[str, Any]], None], cases: dict[str, dict[str, Any]]) -> set[str]:
    """The cases in which we and their makers do not agree."""
    return {name for name, case in cases.items() if refused(verify, case) != case["wantErr"]}


def test_inclusion_agrees_with_every_foreign_vector() -> None:
    cases = vectors("inclusion")
    assert odd(included, cases) == set()
    assert (len(cases), sum(case["wantErr"] for case in cases.values())) == (98, 92)


def test_consistency_agrees_with_every_foreign_vector_but_growth_from_nothing() -> None:
    """tlog-witness starts from size 0 with an empty proof, and so do we; these vectors refuse that start."""
    cases = vectors("consistency")
    assert odd(continued, cases) == {"additional/size1-is-zero-and-size2-is-not-zero"}
    assert (len(cases), sum(case["wantErr"] for case in cases.values())) == (98, 92)


def test_growth_from_nothing_needs_the_root_of_nothing_and_an_empty_proof() -> None:
    cases = {name: case for name, case in vectors("consistency").items() if case["size1"] == 0}
    accepted = {name for name, case in cases.items() if not refused(continued, case)}
    ours = {
        name
        for name, case in cases.items()
        if unb64(case["root1"]) == merkle.EMPTY_ROOT and not case["proof"] and case["size2"] > 0
    }
    assert accepted == ours
    assert len(cases) == 9


def test_subtrees_from_the_first_leaf_agree_with_every_foreign_vector() -> None:
    """Such a subtree is a tree. One that begins elsewhere no checkpoint states, so nothing here verifies it.

    Their verifier asks nothing of the tree in which an empty subtree lies; for us two roots for size 0 are a
    fork as they are for every other size.
    """
    inclusion, consistency = vectors("subtreeinclusion"), vectors("subtreeconsistency")
    assert (len(inclusion), len(consistency)) == (204, 118)
    whole = {name: case for name, case in inclusion.items() if case["start"] == 0}
    assert odd(included, whole) == set()
    grown = {name: case for name, case in consistency.items() if case["start"] == 0}
    case = "subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty"
    assert odd(continued, grown) == {f"additional/{case}"}
    assert (len(whole), len(grown)) == (101, 102)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 64, 100])
def test_roots_are_those_of_pymerkle(size: int) -> None:
    make: Any = pymerkle.InmemoryTree
    tree = make(algorithm="sha256")
    for index in range(size):
        tree.append_entry(index.to_bytes(4, "big"))
    assert merkle.root(hashes(size)) == tree.get_root(size)


def test_every_inclusion_up_to_size_40_verifies_and_asks_the_reader_once() -> None:
    for size in range(1, 41):
        leaves, reader = hashes(size), Leaves(hashes(size))
        for index in range(size):
            reader.calls = 0
            path = merkle.inclusion_proof(reader, index, size)
            assert reader.calls == 1
            assert path == merkle.inclusion_path(leaves, index)
            merkle.verify_inclusion(index, size, leaves[index], path, merkle.root(leaves))


def test_every_consistency_up_to_size_40_verifies() -> None:
    reader, leaves = Leaves(hashes(40)), hashes(40)
    for new in range(41):
        for old in range(new + 1):
            proof = merkle.consistency_proof(reader, old, new)
            merkle.verify_consistency(old, merkle.root(leaves[:old]), new, merkle.root(leaves[:new]), proof)


@given(st.integers(1, 300), st.data())
def test_inclusion_holds_for_no_other_index_size_or_length(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = hashes(size)
    path, root = merkle.inclusion_path(leaves, index), merkle.root(leaves)
    wrong = [
        (index + 1, size, path),
        (index - 1, size, path),
        (index, size, [*path, path[-1] if path else root]),
        (index, size, path[1:] if path else [root]),
        (index, index, path),
    ]
    for other_index, other_size, other_path in wrong:
        with pytest.raises(merkle.InclusionFault):
            merkle.verify_inclusion(other_index, other_size, leaves[index], other_path, root)


@given(st.integers(1, 200), st.data())
def test_a_flipped_bit_in_a_consistency_proof_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    leaves = hashes(new)
    roots = [merkle.root(leaves[:old]), merkle.root(leaves)]
    parts = [*roots, *merkle.consistency_proof(Leaves(leaves), old, new)]
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    broken = bytearray(parts[which])
    broken[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(broken)
    with pytest.raises(merkle.ConsistencyFault):
        merkle.verify_consistency(old, parts[0], new, parts[1], parts[2:])


@given(st.integers(0, 600), st.integers(0, 600))
def test_an_edge_extended_in_two_steps_is_the_edge_of_the_whole(first: int, second: int) -> None:
    leaves = hashes(first + second)
    edge = Edge().extended(leaves[:first]).extended(leaves[first:])
    assert edge == Edge().extended(leaves)
    assert edge == merkle.edge_at(Leaves(leaves), first + second)
    assert edge.root() == merkle.root(leaves)


def test_an_edge_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="edge"):
        Edge(3, (ONE,))


def test_a_tree_that_shrinks_is_named() -> None:
    with pytest.raises(merkle.ConsistencyFault, match="does not continue"):
        merkle.verify_consistency(3, ONE, 2, TWO, [])


def test_two_roots_for_one_size_are_named() -> None:
    with pytest.raises(merkle.ConsistencyFault, match="two different roots"):
        merkle.verify_consistency(3, ONE, 3, TWO, [])
