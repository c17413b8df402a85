"""Checkpoints: another implementation's, ours, and texts that only look like one."""

from collections import Counter

import pytest

from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import checkpoint, merkle, note, tiles
from carevouch.ledger.checkpoint import Checkpoint, CheckpointFault
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.tiles import TileReader
from tests.unit.ledger.logs import ORIGIN, SIGNER, TESSERA, VERIFIER, MemoryLog, numbered, tessera_log

ROOT = merkle.leaf_hash(b"")


def test_every_foreign_checkpoint_and_all_growth_between_them_verifies() -> None:
    files, verifier = tessera_log(), note.parse_vkey(TESSERA)
    heads = [checkpoint.open_checkpoint(files[f"checkpoint.{size}"], verifier) for size in range(16)]
    entries = tiles.split_bundle(files["tile/entries/000.p/15"])
    leaves = merkle.leaf_hashes(entries)
    counts = Counter[str]()
    for head in heads:
        assert merkle.root(leaves[: head.size]) == head.root
        # Out of the tiles of its own size, as a client at that time would have read them.
        reader = TileReader(head.size, lambda wanted: [files[tile.path] for tile in wanted])
        for index in range(head.size):
            path = merkle.inclusion_proof(reader, index, head.size)
            merkle.verify_inclusion(index, head.size, leaves[index], path, head.root)
            counts["inclusion"] += 1
        for old in heads[: head.size + 1]:
            proof = merkle.consistency_proof(reader, old.size, head.size)
            merkle.verify_consistency(old.size, old.root, head.size, head.root, proof)
            counts["consistency"] += 1
    assert counts == {"inclusion": 120, "consistency": 136}


def test_the_latest_foreign_checkpoint_is_that_of_its_size() -> None:
    files = tessera_log()
    assert files["checkpoint"] == files["checkpoint.15"]


def test_a_foreign_checkpoint_with_a_flipped_bit_is_refused() -> None:
    data, verifier = tessera_log()["checkpoint"], note.parse_vkey(TESSERA)
    for at in range(len(data) * 8):
        broken = bytearray(data)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(IntegrityFault):
            checkpoint.open_checkpoint(bytes(broken), verifier)


def test_a_signed_checkpoint_opens_as_what_was_signed() -> None:
    log = MemoryLog()
    log.append(numbered(0, 5))
    assert checkpoint.open_checkpoint(log.checkpoint(), VERIFIER) == Checkpoint(ORIGIN, 5, log.edge.root())


def test_a_checkpoint_of_another_log_under_the_same_key_is_refused() -> None:
    text = Checkpoint("other.example", 5, ROOT).text
    data = note.sign_note(text, ORIGIN, SIGNER)
    with pytest.raises(CheckpointFault, match=r"is of other\.example"):
        checkpoint.open_checkpoint(data, VERIFIER)


def test_the_second_line_of_a_log_does_not_stand_in_for_its_first() -> None:
    signer = LogSigner(SIGNER, Mldsa44InMemory(bytes(32)))
    both = note.parse_note(signer.sign(Checkpoint(ORIGIN, 5, ROOT)))
    first, second = (note.render_note(note.Note(both.text, (line,))) for line in both.lines)
    assert signer.keys.open(first, ORIGIN) == signer.keys.open(note.render_note(both), ORIGIN)
    with pytest.raises(note.NoteFault, match="no signature by the key"):
        signer.keys.open(second, ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n5\n",
        "origin\n05\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n-1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n1\u0665\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n5\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1=\n",
        "origin\n5\nAAAA\n",
        "\n5\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n5\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointFault):
        checkpoint.parse_checkpoint(text)


def test_extension_lines_are_carried() -> None:
    head = Checkpoint("origin", 5, ROOT, ("more", "lines"))
    assert checkpoint.parse_checkpoint(head.text) == head


def test_a_strand_is_named_by_its_origin() -> None:
    assert checkpoint.strand_of_origin("a.example", checkpoint.strand_origin("a.example", 12)) == 12
    for foreign in ("b.example/strand/1", "a.example/strand/01", "a.example", "a.example/strand/"):
        with pytest.raises(CheckpointFault):
            checkpoint.strand_of_origin("a.example", foreign)
