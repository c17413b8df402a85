"""Proof files: what is written reads back, and every flipped byte is refused."""

import pytest

from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import merkle, proof, tiles
from carevouch.ledger.merkle import InclusionFault
from carevouch.ledger.note import parse_vkey
from carevouch.ledger.proof import ProofFault, TlogProof
from tests.unit.ledger.logs import TESSERA, VERIFIER, MemoryLog, numbered, tessera_log


def made(size: int = 21, index: int = 13) -> tuple[TlogProof, bytes]:
    log = MemoryLog()
    log.append(numbered(0, size))
    path = merkle.inclusion_proof(log.reader(), index, size)
    return TlogProof(index, tuple(path), log.checkpoint()), merkle.leaf_hash(b"entry %d" % index)


def test_a_proof_reads_back_and_verifies() -> None:
    written, leaf = made()
    read = proof.parse(proof.render(written))
    assert read == written
    assert proof.verify(read, leaf, VERIFIER).size == 21


def test_a_proof_begins_as_the_specification_says() -> None:
    written, _ = made(2, 1)
    assert proof.render(written).startswith(b"c2sp.org/tlog-proof@v1\nindex 1\n")


def test_every_entry_of_another_implementations_log_has_its_proof_file_under_every_checkpoint() -> None:
    files, verifier = tessera_log(), parse_vkey(TESSERA)
    leaves = merkle.leaf_hashes(tiles.split_bundle(files["tile/entries/000.p/15"]))
    count = 0
    for size in range(1, 16):
        for index, leaf in enumerate(leaves[:size]):
            path = tuple(merkle.inclusion_path(leaves[:size], index))
            data = proof.render(TlogProof(index, path, files[f"checkpoint.{size}"]))
            assert proof.verify(proof.parse(data), leaf, verifier).size == size
            with pytest.raises(InclusionFault):
                proof.verify(proof.parse(data), leaves[index - 1] if index else bytes(32), verifier)
            count += 1
    assert count == 120


def test_extra_bytes_are_carried() -> None:
    written, _ = made()
    with_extra = TlogProof(written.index, written.path, written.checkpoint, b"more")
    assert proof.parse(proof.render(with_extra)) == with_extra


def test_every_flipped_bit_is_refused() -> None:
    written, leaf = made()
    data = proof.render(written)
    for at in range(len(data) * 8):
        broken = bytearray(data)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(IntegrityFault):
            proof.verify(proof.parse(bytes(broken)), leaf, VERIFIER)


def test_a_proof_of_another_entry_names_the_mismatch() -> None:
    written, _ = made()
    with pytest.raises(InclusionFault, match="not leaf 13 of the tree of 21"):
        proof.verify(written, merkle.leaf_hash(b"entry 12"), VERIFIER)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"index 13", b"index 013"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data + b"\n",
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data.replace(b"index 13\n", b""),
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"index 13\n", b"extra !\nindex 13\n"),
        lambda data: data.replace(b"index 13\n", b"index 13\n" + b"A" * 40 + b"\n"),
    ],
)
def test_another_spelling_is_refused(change: "object") -> None:
    assert callable(change)
    written, leaf = made()
    with pytest.raises(IntegrityFault):
        proof.verify(proof.parse(change(proof.render(written))), leaf, VERIFIER)


def test_a_path_too_long_for_any_log_is_refused() -> None:
    written, _ = made()
    long = TlogProof(1, written.path * 20, written.checkpoint)
    with pytest.raises(ProofFault, match="longer"):
        proof.parse(proof.render(long))
