"""Notes, cosignatures, proof files and receipts against the frozen ones, each with its nearest neighbours."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import cose, proof
from carevouch.ledger.checkpoint import Checkpoint, open_checkpoint
from carevouch.ledger.cosignature import ed25519_message, mldsa_message, parse_key, timestamp_of
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import (
    NoteFault,
    SignatureLine,
    open_note,
    parse_note,
    parse_vkey,
    render_note,
    split_vkey,
)
from tests.vectors.frozen import Row, flipped, load

RECEIPTS = load("receipts")


@pytest.mark.parametrize("row", load("notes"))
def test_notes(row: Row) -> None:
    data, keys = row["note"].encode(), [parse_vkey(vkey) for vkey in row["vkeys"]]
    opened = open_note(data, keys)
    assert opened.text == row["text"]
    assert [line.name for line in opened.lines] == [key.name for key in keys]
    assert [key.vkey for key in keys] == row["vkeys"]
    assert render_note(opened) == data


@pytest.mark.parametrize("row", [row for row in load("notes") if len(row["vkeys"]) == 1])
def test_a_note_with_a_bit_flipped_is_refused(row: Row) -> None:
    data, keys = row["note"].encode(), [parse_vkey(vkey) for vkey in row["vkeys"]]
    for at in range(len(data)):
        with pytest.raises(NoteFault):
            open_note(data[:at] + flipped(data[at:]), keys)


@pytest.mark.parametrize("row", load("checkpoints"), ids=lambda row: str(row["size"]))
def test_checkpoints(row: Row) -> None:
    data, verifier = row["note"].encode(), parse_vkey(row["vkey"])
    expected = Checkpoint(row["origin"], row["size"], unb64u(row["root"]))
    assert open_checkpoint(data, verifier) == expected
    assert data.startswith(expected.text.encode() + b"\n")
    for at in range(len(data)):
        with pytest.raises(IntegrityFault):
            open_checkpoint(data[:at] + flipped(data[at:]), verifier)


def check(row: Row, line: SignatureLine, text: str) -> None:
    """The line under the row's key, as a note's reader checks it."""
    opened = open_note(f"{text}\n{line.text}".encode(), [parse_key(row["vkey"])])
    assert opened.text == text


@pytest.mark.parametrize("row", load("cosignatures"))
def test_ed25519_cosignatures(row: Row) -> None:
    [line] = parse_note(f"{row['text']}\n{row['line']}".encode()).lines
    check(row, line, row["text"])
    assert timestamp_of(line.signature) == row["time"]
    assert ed25519_message(row["text"], row["time"]) == unb64u(row["message"])
    _, _, public = split_vkey(row["vkey"])
    Ed25519PublicKey.from_public_bytes(public).verify(line.signature[8:], unb64u(row["message"]))
    refused(row, line)


@pytest.mark.parametrize("row", load("hedged"), ids=lambda row: str(row["time"]))
def test_mldsa_cosignatures(row: Row) -> None:
    name, _, public = split_vkey(row["vkey"])
    line = SignatureLine(name, parse_key(row["vkey"]).key_id, unb64u(row["signature"]))
    check(row, line, row["text"])
    assert timestamp_of(line.signature) == row["time"]
    assert mldsa_message(row["text"], name, row["time"]) == unb64u(row["message"])
    MLDSA44PublicKey.from_public_bytes(public).verify(line.signature[8:], unb64u(row["message"]))
    refused(row, line)


def refused(row: Row, line: SignatureLine) -> None:
    """Another time, another signature, another tree: each is refused."""
    time, signature = line.signature[:8], line.signature[8:]
    for changed in (
        time[:7] + flipped(time[7:]) + signature,
        time + flipped(signature),
        time + signature[:-1],
    ):
        with pytest.raises(NoteFault):
            check(row, SignatureLine(line.name, line.key_id, changed), row["text"])
    with pytest.raises(NoteFault):
        check(row, line, row["text"].replace("\n20\n", "\n21\n"))
    with pytest.raises(NoteFault):
        check(row, SignatureLine(line.name, flipped(line.key_id), line.signature), row["text"])


@pytest.mark.parametrize("row", load("proofs"))
def test_proof_files(row: Row) -> None:
    data, leaf, verifier = row["proof"].encode(), leaf_hash(unb64u(row["entry"])), parse_vkey(row["vkey"])
    parsed = proof.parse(data)
    assert proof.render(parsed) == data
    assert parsed.index == row["index"]
    assert proof.verify(parsed, leaf, verifier).origin == verifier.name
    with pytest.raises(IntegrityFault):
        proof.verify(parsed, flipped(leaf), verifier)


@pytest.mark.parametrize("row", [row for row in load("proofs") if "\nextra " not in row["proof"]])
def test_a_proof_file_with_a_bit_flipped_is_refused(row: Row) -> None:
    data, leaf, verifier = row["proof"].encode(), leaf_hash(unb64u(row["entry"])), parse_vkey(row["vkey"])
    for at in range(len(data)):
        with pytest.raises(IntegrityFault):
            proof.verify(proof.parse(data[:at] + flipped(data[at:])), leaf, verifier)


def test_the_strands_checkpoint_is_the_super_logs_entry() -> None:
    *strand, above = load("proofs")
    assert unb64u(above["entry"]) == proof.parse(strand[0]["proof"].encode()).checkpoint


def accept(row: Row, data: bytes) -> None:
    """The receipt of a row, and what it must say."""
    head = Checkpoint(row["origin"], row["size"], unb64u(row["root"]))
    if row["kind"] == "head":
        cose.verify_head(cose.parse_head(data), head, row["jwk"])
    elif row["kind"] == "inclusion":
        said = cose.verify_inclusion_receipt(data, unb64u(row["leaf"]), row["jwk"])
        assert said == (head, row["index"])
    else:
        old = Checkpoint(row["origin"], row["old"], unb64u(row["old_root"]))
        assert cose.verify_consistency_receipt(data, old, row["jwk"]) == head


def receipt_id(row: Row) -> str:
    return f"{row['kind']}-{row.get('index', row.get('old', ''))}"


@pytest.mark.parametrize("row", RECEIPTS, ids=receipt_id)
def test_receipts(row: Row) -> None:
    data = unb64u(row["bytes"])
    accept(row, data)
    for at in range(len(data)):
        with pytest.raises(IntegrityFault):
            accept(row, data[:at] + flipped(data[at:]))


@pytest.mark.parametrize("row", RECEIPTS[1:], ids=receipt_id)
def test_a_receipt_is_of_its_leaf_or_old_tree_alone(row: Row) -> None:
    name = "leaf" if row["kind"] == "inclusion" else "old_root"
    other = next(each[name] for each in RECEIPTS if each.get(name) not in (None, row[name]))
    with pytest.raises(IntegrityFault):
        accept({**row, name: other}, unb64u(row["bytes"]))
    assert cose.parse_receipt(unb64u(row["bytes"])).head == cose.parse_head(unb64u(RECEIPTS[0]["bytes"]))
