"""Cosignatures of type 04 and 06: what they sign, to the byte, and what is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from carevouch.kernel.encoding import b64, sha256
from carevouch.kernel.errors import Malformed
from carevouch.ledger.checkpoint import Checkpoint, parse_checkpoint
from carevouch.ledger.cosignature import (
    Ed25519CosignatureSigner,
    Ed25519Cosigner,
    Mldsa44InMemory,
    MldsaCosignatureSigner,
    MldsaCosigner,
    ed25519_message,
    parse_key,
    timestamp_of,
)
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import (
    Ed25519InMemory,
    LineSigner,
    NoteFault,
    NoteKey,
    Verifier,
    open_note,
    parse_note,
    render_note,
    sign_note_with,
    vkey,
)

ED = Ed25519InMemory(sha256(b"witness"))
ML = Mldsa44InMemory(sha256(b"witness"))
CHECKPOINT = Checkpoint("example.com/behind-the-sofa", 20852163, sha256(b"root"))
TIME = 1679315147
SIGNERS: dict[str, LineSigner] = {
    "04": Ed25519CosignatureSigner("witness.example/w1", ED, lambda: TIME),
    "06": MldsaCosignatureSigner("witness.example/w1", ML, lambda: TIME),
}
KEYS: dict[str, NoteKey] = {
    "04": Ed25519Cosigner("witness.example/w1", ED.public),
    "06": MldsaCosigner("witness.example/w1", ML.public),
}


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_cosigned_checkpoint_opens_and_says_when(kind: str) -> None:
    note = open_note(sign_note_with(CHECKPOINT.text, [SIGNERS[kind]]), [KEYS[kind]])
    assert note.text == CHECKPOINT.text
    assert timestamp_of(note.lines[0].signature) == TIME


def test_the_ed25519_message_is_the_one_that_the_specification_spells() -> None:
    line = SIGNERS["04"].line(CHECKPOINT.text)
    message = (
        f"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n{b64(CHECKPOINT.root)}\n"
    )
    Ed25519PublicKey.from_public_bytes(ED.public).verify(line.signature[8:], message.encode())
    assert line.key_id == sha256(b"witness.example/w1\n\x04" + ED.public)[:4]


def test_the_mldsa_message_is_the_structure_that_the_specification_lays_out() -> None:
    line = SIGNERS["06"].line(CHECKPOINT.text)
    message = (
        b"subtree/v1\n\x00"
        b"\x12witness.example/w1"
        + TIME.to_bytes(8, "big")
        + b"\x1bexample.com/behind-the-sofa"
        + bytes(8)
        + (20852163).to_bytes(8, "big")
        + CHECKPOINT.root
    )
    MLDSA44PublicKey.from_public_bytes(ML.public).verify(line.signature[8:], message)
    assert line.key_id == sha256(b"witness.example/w1\n\x06" + ML.public)[:4]
    assert len(line.signature) == 8 + 2420


def test_the_specifications_example_reads_as_a_checkpoint_its_logs_line_and_a_cosignature() -> None:
    """From https://c2sp.org/tlog-cosignature, which does not say its keys: it is read, not verified."""
    data = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "\u2014 witness.example.com/w1 "
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBI"
        "fZ+qnA==\n"
    ).encode()
    note = parse_note(data)
    head, (log, witness) = parse_checkpoint(note.text), note.lines
    assert (head.origin, head.size, head.text) == (CHECKPOINT.origin, CHECKPOINT.size, note.text)
    assert (log.name, log.key_id.hex(), len(log.signature)) == (head.origin, "033de0ae", 64)
    assert (witness.name, witness.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")
    assert (len(witness.signature), timestamp_of(witness.signature)) == (8 + 64, TIME)
    header, time, *rest = ed25519_message(note.text, TIME).decode().split("\n", 2)
    assert (header, time, rest) == ("cosignature/v1", "time 1679315147", [note.text])
    assert render_note(note) == data


@pytest.mark.parametrize("kind", SIGNERS)
def test_one_bit_anywhere_in_a_cosignature_or_its_checkpoint_refuses_it(kind: str) -> None:
    line = SIGNERS[kind].line(CHECKPOINT.text)
    for at in range(0, len(line.signature), 7):
        broken = bytearray(line.signature)
        broken[at] ^= 1
        with pytest.raises(NoteFault):
            KEYS[kind].verify(CHECKPOINT.text.encode(), bytes(broken))
    grown = Checkpoint(CHECKPOINT.origin, CHECKPOINT.size + 1, CHECKPOINT.root)
    with pytest.raises(NoteFault, match="does not match the checkpoint"):
        KEYS[kind].verify(grown.text.encode(), line.signature)


@pytest.mark.parametrize("kind", SIGNERS)
def test_another_length_is_refused_before_any_cryptography(kind: str) -> None:
    line = SIGNERS[kind].line(CHECKPOINT.text)
    for signature in (line.signature[:-1], line.signature + b"\x00", b"", bytes(8)):
        with pytest.raises(NoteFault, match="bytes, not"):
            KEYS[kind].verify(CHECKPOINT.text.encode(), signature)


@pytest.mark.parametrize("kind", SIGNERS)
def test_only_checkpoints_are_cosigned(kind: str) -> None:
    with pytest.raises(NoteFault, match="only checkpoints"):
        SIGNERS[kind].line("carevouch.org/genesis/v1\n{}\n")


def test_a_time_beyond_63_bits_is_refused() -> None:
    with pytest.raises(NoteFault, match=r"over 2\^63"):
        timestamp_of((2**63).to_bytes(8, "big") + bytes(64))
    with pytest.raises(ValueError, match="seconds"):
        Ed25519CosignatureSigner("w", ED, lambda: -1).line(CHECKPOINT.text)


def test_an_mldsa_cosignature_is_bound_to_its_signers_name_and_an_ed25519_one_is_not() -> None:
    other = MldsaCosigner("witness.example/w2", ML.public)
    with pytest.raises(NoteFault):
        other.verify(CHECKPOINT.text.encode(), SIGNERS["06"].line(CHECKPOINT.text).signature)
    renamed = Ed25519Cosigner("witness.example/w2", ED.public)
    renamed.verify(CHECKPOINT.text.encode(), SIGNERS["04"].line(CHECKPOINT.text).signature)


@pytest.mark.parametrize(
    "key", [*KEYS.values(), Verifier("log.example", ED.public)], ids=lambda key: key.vkey[-9:]
)
def test_every_kind_of_key_reads_back_from_its_vkey(key: NoteKey) -> None:
    assert parse_key(key.vkey) == key
    with pytest.raises(Malformed):
        parse_key(key.vkey.replace("+", "+0", 1))


@pytest.mark.parametrize("type_", [0x02, 0x05, 0xFF])
def test_a_vkey_of_a_type_we_do_not_know_is_refused(type_: int) -> None:
    text = vkey("log.example", type_, ED.public)
    with pytest.raises(Malformed, match="must be of type 01 or 04"):
        parse_key(text)


def test_a_log_signs_with_both_keys_and_a_bad_second_line_is_refused() -> None:
    signer = LogSigner(ED, ML)
    data = signer.sign(CHECKPOINT)
    assert [len(line.signature) for line in parse_note(data).lines] == [64, 2428]
    assert signer.keys.open(data, CHECKPOINT.origin) == CHECKPOINT
    other = LogSigner(ED, Mldsa44InMemory(sha256(b"other")))
    assert other.keys.open(data, CHECKPOINT.origin) == CHECKPOINT, "a line by an unknown key is passed over"
    text, _, lines = data.partition(b"\n\n")
    first, second = lines.splitlines(keepends=True)
    forged = second.replace(second[60:64], b"AAAA" if second[60:64] != b"AAAA" else b"BBBB")
    with pytest.raises(NoteFault, match="ML-DSA"):
        signer.keys.open(text + b"\n\n" + first + forged, CHECKPOINT.origin)
    with pytest.raises(NoteFault, match="no signature"):
        open_note(text + b"\n\n" + second, [signer.keys.verifier(CHECKPOINT.origin)])
