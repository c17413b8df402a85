"""The tree and its files against the frozen ones; the trees against pymerkle too."""

from typing import Any

import pymerkle
import pytest

from carevouch.kernel.encoding import sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger import merkle, tiles
from carevouch.ledger.merkle import Edge
from carevouch.ledger.tiles import ENTRIES, Tile, TileFault, TileReader, parse_path
from tests.vectors.frozen import Row, flipped, hashes, load

TREES, TILES = load("trees"), load("tiles")


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % index for index in range(size)]


@pytest.mark.parametrize("row", TREES, ids=lambda row: str(row["size"]))
def test_roots_and_proofs(row: Row) -> None:
    size, root, written = row["size"], unb64u(row["root"]), entries(row["size"])
    leaves = merkle.leaf_hashes(written)
    files = tiles.grow(Edge(), {}, written)
    reader = TileReader(size, lambda wanted: [files[tile] for tile in wanted])
    assert merkle.root(leaves) == root
    for proof in row["inclusion"]:
        index, path = proof["index"], hashes(proof["path"])
        assert merkle.inclusion_proof(reader, index, size) == merkle.inclusion_path(leaves, index) == path
        merkle.verify_inclusion(index, size, leaves[index], path, root)
    for proof in row["consistency"]:
        old, old_root, path = proof["old"], unb64u(proof["old_root"]), hashes(proof["proof"])
        assert merkle.root(leaves[:old]) == old_root
        assert merkle.consistency_proof(reader, old, size) == path
        merkle.verify_consistency(old, old_root, size, root, path)


def test_the_small_trees_are_whole_and_the_others_stand_around_a_full_tile() -> None:
    assert [row["size"] for row in TREES] == [*range(21), 255, 256, 257]
    for row in TREES[:21]:
        assert [proof["index"] for proof in row["inclusion"]] == list(range(row["size"]))
        assert [proof["old"] for proof in row["consistency"]] == list(range(row["size"] + 1))


@pytest.mark.parametrize("row", TREES[1:], ids=lambda row: str(row["size"]))
def test_roots_and_paths_are_those_of_pymerkle(row: Row) -> None:
    make: Any = pymerkle.InmemoryTree
    tree = make(algorithm="sha256")
    for entry in entries(row["size"]):
        tree.append_entry(entry)
    assert tree.get_root(row["size"]) == unb64u(row["root"])
    for proof in row["inclusion"]:
        leaf, *path = tree.prove_inclusion(proof["index"] + 1, row["size"]).path
        assert path == hashes(proof["path"])
        assert leaf == merkle.leaf_hash(b"entry %d" % proof["index"])


def verify(row: Row) -> None:
    """Raises unless the proof of the row is true."""
    proof = hashes(row["proof"])
    if row["kind"] == "inclusion":
        merkle.verify_inclusion(row["index"], row["size"], unb64u(row["leaf"]), proof, unb64u(row["root"]))
    else:
        old_root, new_root = unb64u(row["old_root"]), unb64u(row["new_root"])
        merkle.verify_consistency(row["old"], old_root, row["new"], new_root, proof)


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_every_neighbour_of_a_true_proof_is_refused(kind: str) -> None:
    rows = [row for row in load("refusals") if row["kind"] == kind]
    assert len(rows) > 50
    for row in rows:
        with pytest.raises(IntegrityFault):
            verify(row)


@pytest.mark.parametrize("row", TILES, ids=lambda row: str(row["size"]))
def test_files_of_a_log(row: Row) -> None:
    files = {tile.path: data for tile, data in tiles.grow(Edge(), {}, entries(row["size"])).items()}
    assert {path: sha256(files[path]) for path in row["files"]} == {
        path: unb64u(sum_) for path, sum_ in row["files"].items()
    }
    expected = tiles.partials(row["size"]) if row["size"] > 65_536 else tiles.all_tiles(row["size"])
    assert {tile.path for tile in expected} == set(row["files"])
    assert merkle.root(merkle.leaf_hashes(entries(row["size"]))) == unb64u(row["root"])


def test_a_log_that_grew_from_size_to_size_has_the_files_of_each() -> None:
    edge, files = Edge(), dict[str, bytes]()
    for row in TILES:
        added = entries(row["size"])[edge.size :]
        old = {tile: files[tile.path] for tile in tiles.partials(edge.size)}
        files |= {tile.path: data for tile, data in tiles.grow(edge, old, added).items()}
        edge = edge.extended(merkle.leaf_hashes(added))
        assert edge.root() == unb64u(row["root"])
        assert {path: sha256(files[path]) for path in row["files"]} == {
            path: unb64u(sum_) for path, sum_ in row["files"].items()
        }


@pytest.mark.parametrize("row", load("bundles"))
def test_bundles(row: Row) -> None:
    written, bundle = hashes(row["entries"]), unb64u(row["bundle"])
    assert tiles.join_bundle(written) == bundle
    assert tiles.split_bundle(bundle) == written
    tile = Tile(ENTRIES, 0, len(written))
    tiles.check_bundle(bundle, merkle.leaf_hashes(written), tile)
    for changed in (flipped(bundle), bundle[:-1], bundle + b"\x00\x00", bundle + b"\x00"):
        with pytest.raises(TileFault):
            tiles.check_bundle(changed, merkle.leaf_hashes(written), tile)


@pytest.mark.parametrize("row", load("tile_paths"), ids=lambda row: str(row["path"]))
def test_paths_of_tiles(row: Row) -> None:
    if row["level"] is None:
        with pytest.raises(Malformed):
            parse_path(row["path"])
        return
    tile = Tile(row["level"], row["index"], row["width"])
    assert tile.path == row["path"]
    assert parse_path(row["path"]) == tile
