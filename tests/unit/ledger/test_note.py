"""Signed notes: the specification's example key and another implementation's checkpoints, then forgeries."""

import pytest

from carevouch.kernel.errors import Malformed
from carevouch.ledger import note
from carevouch.ledger.note import Ed25519InMemory, NoteFault, Verifier
from tests.unit.ledger.logs import SIGNER, TESSERA, tessera_log

KNOWN = Verifier("log.example", SIGNER.public)
OTHER = Ed25519InMemory(b"some other key, also 32 bytes on")


def test_the_documented_vkey_reads_and_writes() -> None:
    assert note.parse_vkey(TESSERA).vkey == TESSERA
    assert note.parse_vkey(TESSERA).key_id.hex() == "33d7b496"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        TESSERA.replace("33d7b496", "33d7b497"),
        TESSERA.replace("33d7b496", "33D7B496"),
        TESSERA.replace("testdata+", "testdatb+"),
        TESSERA[:-1] + "y",
        TESSERA + " ",
        TESSERA.replace("AeHT", "AuHT"),
    ],
)
def test_a_vkey_with_a_slip_is_refused(vkey: str) -> None:
    with pytest.raises(Malformed):
        note.parse_vkey(vkey)


@pytest.mark.parametrize(
    ("vkey", "text", "line"),
    [
        pytest.param(
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "This is an example message.\n",
            "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=",
            id="C2SP",
        ),
        pytest.param(
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "If you think cryptography is the answer to your problem,\n"
            "then you don't know what your problem is.\n",
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
            id="Go",
        ),
    ],
)
def test_examples_of_the_specification_and_of_its_first_implementation_open(
    vkey: str, text: str, line: str
) -> None:
    """The notes of https://c2sp.org/signed-note and https://pkg.go.dev/golang.org/x/mod/sumdb/note."""
    verifier = note.parse_vkey(vkey)
    data = f"{text}\n\u2014 {verifier.name} {line}\n".encode()
    assert note.open_note(data, [verifier]).text == text
    assert note.render_note(note.parse_note(data)) == data
    for changed in (data.replace(b"problem", b"Problem").replace(b"message", b"Message"), data[1:]):
        with pytest.raises(NoteFault):
            note.open_note(changed, [verifier])


def test_a_text_may_hold_empty_lines_and_ends_at_the_last_of_them() -> None:
    """The specification's first example is such a text; it does not say its key."""
    text = "one\ntwo:\n\nthree.\n"
    data = note.sign_note(text, "log.example", SIGNER)
    assert note.open_note(data, [KNOWN]).text == text


def test_every_foreign_checkpoint_opens_under_its_key() -> None:
    files, verifier = tessera_log(), note.parse_vkey(TESSERA)
    names = [name for name in files if name.startswith("checkpoint")]
    assert len(names) >= 16
    for name in names:
        assert note.open_note(files[name], [verifier]).text.startswith("example.com/log/testdata\n")


def test_a_signed_note_opens_and_no_flipped_bit_does() -> None:
    data = note.sign_note("some text\nof two lines\n", "log.example", SIGNER)
    assert note.open_note(data, [KNOWN]).text == "some text\nof two lines\n"
    for at in range(len(data) * 8):
        broken = bytearray(data)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(NoteFault):
            note.open_note(bytes(broken), [KNOWN])


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    signed = note.sign_note("text\n", "log.example", SIGNER)
    foreign = note.sign_note("text\n", "witness.example", OTHER).split(b"\n\n")[1]
    assert len(note.open_note(signed + foreign, [KNOWN]).lines) == 1
    assert (
        len(note.open_note(signed + foreign, [KNOWN, Verifier("witness.example", OTHER.public)]).lines) == 2
    )


def test_a_bad_signature_of_a_known_key_refuses_the_note_beside_a_good_one() -> None:
    signed = note.sign_note("text\n", "log.example", SIGNER)
    forged = note.SignatureLine("log.example", KNOWN.key_id, OTHER.sign(b"text\n")).text.encode()
    with pytest.raises(NoteFault, match="does not match"):
        note.open_note(signed + forged, [KNOWN])


def test_a_note_signed_only_by_strangers_is_refused() -> None:
    with pytest.raises(NoteFault, match=r"no signature by the key of log\.example"):
        note.open_note(note.sign_note("text\n", "witness.example", OTHER), [KNOWN])


def test_the_same_name_with_another_key_is_a_stranger() -> None:
    with pytest.raises(NoteFault, match="no signature"):
        note.open_note(note.sign_note("text\n", "log.example", OTHER), [KNOWN])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 name\n",
        b"text\n\n- name AAAAAAAA\n",
        b"te\x00xt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"\xff\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAAA",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n",
        b"text\n\n" + b"\xe2\x80\x94 name AAAAAAAA\n" * 101,
    ],
)
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteFault):
        note.parse_note(data)


def test_a_text_without_its_newline_is_never_signed() -> None:
    with pytest.raises(ValueError, match="newline"):
        note.sign_note("text", "log.example", SIGNER)
