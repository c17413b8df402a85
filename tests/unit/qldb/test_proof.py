"""Digests and proofs of QLDB: those that AWS published, and those of an honest journal."""

import json

import pytest

from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.qldb.journal import Journal
from carevouch.qldb.proof import (
    MAX_PROOF,
    Digest,
    Proof,
    findings_in_digest,
    findings_in_proof,
    read_digest,
    read_proof,
)
from carevouch.qldb.revision import Address
from carevouch.qldb.tree import digest_from_proof
from tests.unit.qldb import aws_examples as known
from tests.unit.qldb.journals import OTHER, STRAND, Ledger, blob, joined, ledger, verified

WHOLE = ledger(9)


def revision_file(of: Ledger, number: int, at: int, tip: int) -> bytes:
    proof = ",".join(map(blob, of.way_out(number, at, tip)))
    return known.answer(Revision=of.revision(number, at), Proof=f"[{proof}]")


def block_file(of: Ledger, number: int, tip: int) -> bytes:
    proof = ",".join(map(blob, of.way_up(number, tip)))
    return known.answer(Block=of.blocks[number], Proof=f"[{proof}]")


def digest(tip: int = 7) -> Digest:
    return Digest(WHOLE.digest(tip), Address(STRAND, tip))


def journal(*watch: Address) -> Journal:
    return verified(WHOLE.objects(4), watch=set(watch))


def messages(proof: Proof, against: Digest | None = None, of: Journal | None = None) -> list[str]:
    findings = findings_in_proof("file", proof, against or digest(), of or journal(proof.address))
    return [item.message for item in findings]


def test_the_published_proofs_lead_to_the_published_digest() -> None:
    read = read_digest(known.DIGEST)
    assert read.tip == Address(known.STRAND, known.TIP)
    revision = read_proof(known.answer(Revision=known.REVISION, Proof=known.REVISION_PROOF))
    block = read_proof(known.answer(Block=known.BLOCK, Proof=known.BLOCK_PROOF))
    assert (revision.what, block.what) == ("revision", "block")
    for proof in (revision, block):
        assert proof.address == Address(known.STRAND, known.NUMBER)
        assert digest_from_proof(proof.leaf, proof.hashes) == read.hash


def test_the_published_block_and_proofs_agree_with_each_other() -> None:
    name = f"{known.STRAND}.{known.NUMBER}-{known.NUMBER}.ion"
    address = Address(known.STRAND, known.NUMBER)
    walked = verified({name: known.BLOCK.encode()}, watch={address})
    assert walked.findings == []
    against = read_digest(known.DIGEST)
    for file in (
        known.answer(Revision=known.REVISION, Proof=known.REVISION_PROOF),
        known.answer(Block=known.BLOCK, Proof=known.BLOCK_PROOF),
    ):
        assert list(findings_in_proof("file", read_proof(file), against, walked)) == []


@pytest.mark.parametrize("tip", range(9))
def test_the_journal_has_its_digest_at_every_tip(tip: int) -> None:
    assert list(findings_in_digest(digest(tip), journal())) == []
    other = Digest(WHOLE.digest((tip + 1) % 9), Address(STRAND, tip))
    assert [item.code for item in findings_in_digest(other, journal())] == ["digest"]


def test_a_digest_shows_a_journal_made_anew() -> None:
    """All hashes of the other journal are true; only a digest kept elsewhere shows the change."""
    other = Ledger()
    for number in range(9):
        other.commit([f"{{a:{number}}}"])
    walked = verified(other.objects(4))
    assert walked.findings == []
    assert ["do not have" in item.message for item in findings_in_digest(digest(), walked)] == [True]


def test_a_digest_shows_blocks_that_were_cut_off() -> None:
    cut = verified({f"{STRAND}.0-5.ion": joined(WHOLE.blocks[:6])})
    assert cut.findings == []
    assert ["not in the export" in item.message for item in findings_in_digest(digest(), cut)] == [True]


def test_a_digest_that_cannot_be_compared_is_a_finding() -> None:
    later = verified({f"{STRAND}.2-8.ion": joined(WHOLE.blocks[2:])})
    assert ["cannot be compared" in item.message for item in findings_in_digest(digest(), later)] == [True]
    elsewhere = Digest(digest().hash, Address(OTHER, 7))
    assert [item.where for item in findings_in_digest(elsewhere, journal())] == [f"block {OTHER}/7"]


@pytest.mark.parametrize("tip", [7, 8])
@pytest.mark.parametrize(("number", "at"), [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (5, 1), (7, 0)])
def test_each_revisions_proof_leads_to_the_digest(number: int, at: int, tip: int) -> None:
    assert messages(read_proof(revision_file(WHOLE, number, at, tip)), digest(tip)) == []


@pytest.mark.parametrize("number", range(8))
def test_each_blocks_proof_leads_to_the_digest(number: int) -> None:
    assert messages(read_proof(block_file(WHOLE, number, 7))) == []


def test_a_proof_of_another_tip_does_not_lead_to_the_digest() -> None:
    assert ["does not lead" in message for message in messages(read_proof(block_file(WHOLE, 3, 8)))] == [True]


def test_a_proof_of_a_later_block_is_none_of_the_digest() -> None:
    texts = messages(read_proof(block_file(WHOLE, 8, 8)))
    assert "is not among the blocks" in texts[0]
    assert "does not lead" in texts[1]


def test_a_revision_that_is_not_in_the_export_is_named() -> None:
    proof = read_proof(revision_file(WHOLE, 1, 0, 7))
    later = verified({f"{STRAND}.2-8.ion": joined(WHOLE.blocks[2:])}, watch={proof.address})
    assert messages(proof, of=later) == [f"block {STRAND}/1 is not in the export"]


def test_a_revision_at_another_address_than_its_block_is_named() -> None:
    """No hash covers the address: the proof is still true, and only the journal shows the error."""
    file = revision_file(WHOLE, 1, 0, 7).replace(b"sequenceNo:1", b"sequenceNo:2")
    proof = read_proof(file)
    assert proof.address.number == 2
    assert messages(proof) == [f"block {STRAND}/2 of the export does not hold this revision"]


def test_a_changed_revision_or_block_is_refused() -> None:
    revision, block = revision_file(WHOLE, 1, 0, 7), block_file(WHOLE, 1, 7)
    for file in (revision, block):
        assert b".50," in file
        with pytest.raises(IntegrityFault):
            read_proof(file.replace(b".50,", b".51,"))


def test_a_long_decimal_is_read_as_it_was_written() -> None:
    one = Ledger()
    one.commit(["{paid:1234567890123456789012345678901234.50}"])
    assert read_proof(revision_file(one, 0, 0, 0)).leaf == one.revisions[0][0]


def test_a_digest_is_read_as_the_api_answers_and_as_the_console_saved_it() -> None:
    hash_, tip = digest().hash, f'{{strandId:"{STRAND}",sequenceNo:7}}'
    for source in (
        json.dumps({"Digest": b64(hash_), "DigestTipAddress": {"IonText": tip}}),
        json.dumps({"digest": b64(hash_), "digestTipAddress": tip, "ledger": "l", "date": "2019-10-25"}),
        f'{{digest:{blob(hash_)},digestTipAddress:{tip},ledger:"l",date:2019-10-25T17:20:21Z}}',
    ):
        assert read_digest(source.encode()) == digest()


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Digest":"AAAA","DigestTipAddress":{"IonText":"{strandId:\\"s\\",sequenceNo:1}"}}',
        b'{"Digest":"not base64","DigestTipAddress":{"IonText":"{}"}}',
        known.DIGEST.replace(b"sequenceNo:123", b"sequenceNo:a"),
        known.DIGEST.replace(b"IonText", b"Text"),
    ],
)
def test_a_digest_that_is_none_is_malformed(source: bytes) -> None:
    with pytest.raises(Malformed):
        read_digest(source)


@pytest.mark.parametrize(
    "file",
    [
        b"{}",
        known.answer(Proof="[]"),
        known.answer(Revision=known.REVISION),
        known.answer(Revision=known.REVISION, Proof="{}"),
        known.answer(Revision=known.REVISION, Proof="[{{AAAA}}]"),
        known.answer(Revision=known.REVISION, Proof=f"[{','.join([blob(bytes(32))] * (MAX_PROOF + 1))}]"),
        known.answer(Revision=f"{{hash:{blob(bytes(32))}}}", Proof="[]"),
        known.answer(Block=known.REVISION, Proof="[]"),
    ],
)
def test_a_proof_that_is_none_is_malformed(file: bytes) -> None:
    with pytest.raises(Malformed):
        read_proof(file)
