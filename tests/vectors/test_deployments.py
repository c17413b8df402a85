"""Genesis, epochs and sealed batches against the frozen ones, each with its nearest neighbours."""

from dataclasses import replace

import pytest

from carevouch.events.epoch import opened, parse_order, read_epochs
from carevouch.events.genesis import Genesis, genesis_text, parse_genesis
from carevouch.events.seal import BLOCK_SEALED, EPOCH, parse_seal, verify_seal
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.block import check_follows, parse_block
from carevouch.ledger.merkle import leaf_hash, leaf_hashes, root
from carevouch.ledger.note import open_note, parse_vkey
from tests.vectors.frozen import Row, flipped, load

FIRST, SECOND = load("genesis")
GENESIS: Genesis = parse_genesis(FIRST["text"])
ORDERS = [parse_order(row["order"]) for row in load("epochs")]
BATCHES = load("batches")


@pytest.mark.parametrize(("row", "version"), [(FIRST, 1), (SECOND, 2)])
def test_genesis_is_published_under_the_logs_key(row: Row, version: int) -> None:
    note = open_note(row["note"].encode(), [parse_vkey(row["vkey"])])
    genesis = parse_genesis(note.text)
    assert note.text == row["text"] == genesis_text(genesis)
    assert genesis.version == version
    assert genesis.log == parse_vkey(row["vkey"]).public


def test_the_versions_differ_by_the_second_key_alone() -> None:
    second = parse_genesis(SECOND["text"])
    assert second.mldsa is not None
    assert replace(second, mldsa=None) == GENESIS
    assert load("hedged")[0]["vkey"] == second.keys.also(f"{second.origin}/strand/0")[0].vkey
    renamed = SECOND["text"].replace("genesis/v2", "genesis/v1").replace('"v":2', '"v":1')
    with pytest.raises(Malformed, match="version 1"):
        parse_genesis(renamed)


@pytest.mark.parametrize("row", [FIRST, SECOND], ids=["1", "2"])
def test_genesis_with_a_bit_flipped_is_refused(row: Row) -> None:
    data = row["note"].encode()
    for place in range(0, len(data), 37):
        with pytest.raises((Malformed, IntegrityFault)):
            open_note(data[:place] + flipped(data[place:]), [parse_vkey(row["vkey"])])


def test_the_operators_orders_open_one_epoch_after_the_other() -> None:
    known = read_epochs("".join(f"{order.text}\n" for order in ORDERS).encode(), GENESIS)
    assert [(epoch.number, epoch.strands) for epoch in known.epochs] == [(2, 4), (3, 16)]
    assert ORDERS[0].prev is None
    assert ORDERS[1].prev == sha256(ORDERS[0].text.encode())
    for order, row in zip(ORDERS, load("epochs"), strict=True):
        assert jcs(order.signed.payload) == jcs(row["payload"])


def test_an_order_out_of_its_place_or_with_a_bit_flipped_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="epoch 1 is open"):
        opened(GENESIS, ORDERS[1])
    with pytest.raises(IntegrityFault, match="epoch 2 is open"):
        opened(opened(GENESIS, ORDERS[0]), ORDERS[0])
    text = ORDERS[0].text
    for place in range(len(text)):
        changed = text[:place] + flipped(text[place:].encode()).decode("latin-1")
        with pytest.raises((Malformed, IntegrityFault)):
            opened(GENESIS, parse_order(changed))


def test_sealed_batches_are_one_log_of_linked_blocks() -> None:
    entries: list[bytes] = []
    prev = None
    for number, row in enumerate(BATCHES):
        first = len(entries)
        entries += [text.encode("ascii") for text in row["entries"]]
        assert (len(entries), root(leaf_hashes(entries))) == (row["size"], unb64u(row["root"]))
        seal = parse_seal(row["entries"][-1])
        verify_seal(seal, GENESIS)
        assert (seal.type, seal.time) == (BLOCK_SEALED, row["time"])
        check_follows(parse_block(seal.data), number, first, prev)
        prev = leaf_hash(entries[-1])
    assert [row["time"] for row in BATCHES] == sorted(row["time"] for row in BATCHES)
    assert parse_seal(BATCHES[2]["entries"][0]).data == ORDERS[0].data
    assert parse_seal(BATCHES[2]["entries"][0]).type == EPOCH


def test_every_seal_with_a_bit_flipped_is_refused() -> None:
    for row in BATCHES:
        text = row["entries"][-1]
        for place in range(len(text)):
            changed = text[:place] + flipped(text[place:].encode()).decode("latin-1")
            with pytest.raises((Malformed, IntegrityFault)):
                verify_seal(parse_seal(changed), GENESIS)
