"""COSE receipts: their layout read by hand, all of a tree's proofs, and every forgery that comes to mind."""

from functools import cache
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel import jws
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import cose, merkle
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cose import ReceiptFault, SignedHead
from carevouch.ledger.merkle import ConsistencyFault, InclusionFault
from tests.unit.ledger.logs import ORIGIN, MemoryLog, numbered
from tests.unit.sealing.acts import key

SEAL, OTHER = key("seal"), key("another seal")
SIZE, INDEX, OLD = 21, 13, 11
LOG = MemoryLog()
for size in range(300):  # one by one, so that there are the partial tiles of every size
    LOG.append(numbered(size, 1))


def leaf(index: int) -> bytes:
    return merkle.leaf_hash(b"entry %d" % index)


@cache
def checkpoint(size: int, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, merkle.edge_at(LOG.reader(), size).root())


@cache
def head(size: int = SIZE) -> SignedHead:
    return cose.sign_head(checkpoint(size), SEAL)


def included(index: int = INDEX, size: int = SIZE) -> bytes:
    return cose.inclusion_receipt(head(size), index, merkle.inclusion_proof(LOG.reader(), index, size))


def continued(old: int = OLD, size: int = SIZE) -> bytes:
    return cose.consistency_receipt(head(size), old, merkle.consistency_proof(LOG.reader(), old, size))


def check(data: bytes) -> None:
    """Whichever kind it is; a receipt that verifies as either one is accepted."""
    if isinstance(cose.parse_receipt(data).proof, cose.Inclusion):
        assert cose.verify_inclusion_receipt(data, leaf(INDEX), SEAL.jwk) == (checkpoint(SIZE), INDEX)
    else:
        assert cose.verify_consistency_receipt(data, checkpoint(OLD), SEAL.jwk) == checkpoint(SIZE)


def rebuilt(change: Any) -> bytes:
    """The receipt of inclusion with its parts changed by `change`, encoded without our code."""
    protected, unprotected, payload, signature = cbor2.loads(included()).value
    vdp = {-1: [*unprotected[396][-1]]}
    parts = {"header": cbor2.loads(protected), "vdp": vdp, "unprotected": {396: vdp}}
    parts |= {"payload": payload, "signature": signature, "tag": 18}
    change(parts)
    header = cbor2.dumps(parts["header"], canonical=True)
    body = [header, parts["unprotected"], parts["payload"], parts["signature"]]
    return cbor2.dumps(cbor2.CBORTag(parts["tag"], body), canonical=True)


def test_a_receipt_of_inclusion_is_what_the_rfc_says() -> None:
    path = merkle.inclusion_proof(LOG.reader(), INDEX, SIZE)
    decoded = cbor2.loads(included())
    protected, unprotected, payload, signature = decoded.value
    assert decoded.tag == 18
    assert cbor2.loads(protected) == {1: -7, 4: SEAL.kid.encode(), 15: {1: ORIGIN, 2: "21"}, 395: 1}
    assert [*unprotected] == [396]
    assert [*unprotected[396]] == [-1]
    [proof] = unprotected[396][-1]
    assert cbor2.loads(proof) == [SIZE, INDEX, path]
    assert payload is None
    assert len(signature) == 64


def test_a_receipt_of_consistency_is_what_the_rfc_says() -> None:
    [proof] = cbor2.loads(continued()).value[1][396][-2]
    assert cbor2.loads(proof) == [OLD, SIZE, merkle.consistency_proof(LOG.reader(), OLD, SIZE)]


def test_the_signature_verifies_over_a_structure_written_by_hand() -> None:
    protected, root = head().protected, checkpoint(SIZE).root
    # RFC 9052 section 4.4 in RFC 8949. 84: array of 4; 6a: text of 10; 58 n: bytes of n; 40: no bytes.
    message = b"\x84\x6aSignature1\x58" + bytes([len(protected)]) + protected + b"\x40\x58\x20" + root
    r, s = (int.from_bytes(half) for half in (head().signature[:32], head().signature[32:]))
    der = encode_dss_signature(r, s)
    jws.public_key(SEAL.jwk).verify(der, message, ec.ECDSA(SHA256()))


def test_every_inclusion_up_to_size_33_verifies() -> None:
    for size in range(1, 34):
        signed, expected = head(size), checkpoint(size)
        for index in range(size):
            path = merkle.inclusion_proof(LOG.reader(), index, size)
            receipt = cose.inclusion_receipt(signed, index, path)
            found = cose.verify_inclusion_receipt(receipt, leaf(index), SEAL.jwk)
            assert found == (expected, index)


def test_every_consistency_up_to_size_33_verifies() -> None:
    for size in range(2, 34):
        signed, expected = head(size), checkpoint(size)
        for old in range(1, size):
            path = merkle.consistency_proof(LOG.reader(), old, size)
            receipt = cose.consistency_receipt(signed, old, path)
            assert cose.verify_consistency_receipt(receipt, checkpoint(old), SEAL.jwk) == expected


@pytest.mark.parametrize("receipt", [included(), continued()], ids=["inclusion", "consistency"])
def test_every_flipped_bit_is_refused(receipt: bytes) -> None:
    check(receipt)
    for at in range(len(receipt) * 8):
        broken = bytearray(receipt)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(IntegrityFault):
            check(bytes(broken))


@settings(max_examples=200)
@given(st.integers(1, 300), st.data())
def test_a_receipt_holds_for_no_other_size_index_or_entry(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(LOG.reader(), index, size)
    wrong_size, wrong_index = data.draw(st.integers(1, 300)), data.draw(st.integers(0, 300))
    proof = cose.Inclusion(wrong_size, wrong_index, tuple(path))
    shown = cose._render(head(size), proof)
    if (wrong_size, wrong_index) == (size, index):
        return
    with pytest.raises(IntegrityFault):
        cose.verify_inclusion_receipt(shown, leaf(index), SEAL.jwk)


def test_leaf_1_of_2_cannot_be_shown_as_leaf_4_of_5() -> None:
    path = merkle.inclusion_proof(LOG.reader(), 1, 2)
    assert merkle.root_from_inclusion(4, 5, leaf(1), path) == checkpoint(2).root
    shown = cose._render(head(2), cose.Inclusion(5, 4, tuple(path)))
    with pytest.raises(ReceiptFault, match="proof is for size 5, and the signature for size 2"):
        cose.verify_inclusion_receipt(shown, leaf(1), SEAL.jwk)


def test_another_entry_is_named() -> None:
    with pytest.raises(
        ReceiptFault, match=r"not lead to the root that was signed for log\.example/strand/0 at size 21"
    ):
        cose.verify_inclusion_receipt(included(), leaf(INDEX + 1), SEAL.jwk)


def test_another_key_is_named() -> None:
    with pytest.raises(ReceiptFault, match="names another key"):
        cose.verify_inclusion_receipt(included(), leaf(INDEX), OTHER.jwk)


def test_a_receipt_that_only_names_the_key_is_refused() -> None:
    forged = SignedHead(head().protected, cose.sign_head(checkpoint(SIZE), OTHER).signature)
    path = merkle.inclusion_proof(LOG.reader(), INDEX, SIZE)
    with pytest.raises(ReceiptFault, match="another key signed it"):
        cose.verify_inclusion_receipt(cose.inclusion_receipt(forged, INDEX, path), leaf(INDEX), SEAL.jwk)


def test_a_forked_head_is_not_a_continuation() -> None:
    fork = MemoryLog()
    fork.append(numbered(1, SIZE))
    signed = cose.sign_head(Checkpoint(ORIGIN, SIZE, fork.edge.root()), SEAL)
    path = merkle.consistency_proof(fork.reader(), OLD, SIZE)
    with pytest.raises(ConsistencyFault, match="old root at size 11"):
        cose.verify_consistency_receipt(
            cose.consistency_receipt(signed, OLD, path), checkpoint(OLD), SEAL.jwk
        )


def test_a_continuation_of_another_log_or_size_is_named() -> None:
    for old in (checkpoint(OLD, "other.example"), checkpoint(OLD + 1)):
        with pytest.raises(ReceiptFault, match=rf"does not continue {old.origin} at size {old.size}"):
            cose.verify_consistency_receipt(continued(), old, SEAL.jwk)


def test_one_kind_of_receipt_does_not_pass_as_the_other() -> None:
    with pytest.raises(ReceiptFault, match="proves consistency, not"):
        cose.verify_inclusion_receipt(continued(), leaf(INDEX), SEAL.jwk)
    with pytest.raises(ReceiptFault, match="proves inclusion, not"):
        cose.verify_consistency_receipt(included(), checkpoint(OLD), SEAL.jwk)


def test_no_signature_is_of_a_head_and_of_a_jws() -> None:
    """The signed bytes of a head begin with the byte 84, and a JWS's signing input with a letter."""
    text = jws.sign({}, "carevouch-seal+jws", SEAL)
    assert text[0].isascii()
    assert cose._to_be_signed(head().protected, checkpoint(SIZE).root)[0] == 0x84
    shown = SignedHead(head().protected, jws.take_apart(text).signature)
    with pytest.raises(ReceiptFault):
        cose.verify_head(shown, checkpoint(SIZE), SEAL.jwk)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda parts: parts.update(tag=98), id="another tag"),
        pytest.param(lambda parts: parts.update(payload=checkpoint(SIZE).root), id="attached"),
        pytest.param(lambda parts: parts.update(signature=parts["signature"][:-1]), id="short signature"),
        pytest.param(lambda parts: parts["header"].update({3: "x"}), id="more in the protected header"),
        pytest.param(lambda parts: parts["header"].update({395: 2}), id="another structure"),
        pytest.param(lambda parts: parts["header"].update({1: -8}), id="another algorithm"),
        pytest.param(lambda parts: parts["header"].pop(15), id="no claims"),
        pytest.param(lambda parts: parts["header"][15].update({2: "021"}), id="size with a zero"),
        pytest.param(lambda parts: parts["header"][15].update({2: "\u0662\u0661"}), id="other digits"),
        pytest.param(lambda parts: parts["header"][15].update({6: 1}), id="more claims"),
        pytest.param(lambda parts: parts["header"].update({4: b"\xff"}), id="kid that is no text"),
        pytest.param(lambda parts: parts["unprotected"].update({4: b"x"}), id="more in the unprotected"),
        pytest.param(lambda parts: parts["unprotected"].pop(396), id="no proofs"),
        pytest.param(lambda parts: parts["vdp"].update({-1: parts["vdp"][-1] * 2}), id="two proofs"),
        pytest.param(lambda parts: parts["vdp"].update({-2: parts["vdp"][-1]}), id="two kinds of proof"),
        pytest.param(lambda parts: parts["vdp"].update({-1: [b"\x80"]}), id="empty proof"),
        pytest.param(lambda parts: parts["vdp"].update({-1: [b"\xff"]}), id="proof that is no CBOR"),
        pytest.param(lambda parts: parts["vdp"].update({-1: [b"\x83\x01\x00\x81\x61x"]}), id="text in path"),
    ],
)
def test_another_shape_is_refused_even_where_it_decodes(change: Any) -> None:
    check(rebuilt(lambda parts: None))
    with pytest.raises(IntegrityFault):
        check(rebuilt(change))


def test_true_is_no_number() -> None:
    """CBOR's true compares equal to 1, and would be a second spelling of it."""
    path = merkle.inclusion_proof(LOG.reader(), 1, 2)
    shown = cose._render(head(2), cose.Inclusion(2, True, tuple(path)))
    with pytest.raises(ReceiptFault, match="two numbers"):
        cose.verify_inclusion_receipt(shown, leaf(1), SEAL.jwk)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\x00",
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data[1:],
        lambda data: data.replace(b"\xd2\x84", b"\xd2\x9f") + b"\xff",
        lambda data: data.replace(b"\xd2\x84", b"\xd8\x12\x84"),
        lambda data: data.replace(b"\x58\x40", b"\x59\x00\x40"),
        lambda data: data + b"\x00" * cose.MAX_RECEIPT,
    ],
)
def test_another_encoding_is_refused(change: Any) -> None:
    assert change(included()) != included()
    with pytest.raises(ReceiptFault):
        check(change(included()))


@given(st.binary(max_size=60))
def test_any_other_bytes_are_refused_by_name(data: bytes) -> None:
    for parse in (cose.parse_receipt, cose.parse_head):
        with pytest.raises(ReceiptFault):
            parse(data)


def test_a_signed_head_is_kept_without_a_proof() -> None:
    data = cose.render_head(head())
    assert cose.parse_head(data) == head()
    cose.verify_head(cose.parse_head(data), checkpoint(SIZE), SEAL.jwk)
    with pytest.raises(ReceiptFault, match="canonical"):
        cose.parse_head(included())


@pytest.mark.parametrize("other", [checkpoint(SIZE + 1), checkpoint(SIZE, "other.example")], ids=str)
def test_a_signed_head_is_of_one_checkpoint(other: Checkpoint) -> None:
    with pytest.raises(ReceiptFault, match=rf"not of {other.origin} at size {other.size}"):
        cose.verify_head(head(), other, SEAL.jwk)
    with pytest.raises(ReceiptFault, match="not lead to the root that was signed"):
        cose.verify_head(head(), Checkpoint(ORIGIN, SIZE, checkpoint(SIZE + 1).root), SEAL.jwk)


def test_an_empty_log_has_a_head_and_no_receipts() -> None:
    empty = cose.sign_head(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), SEAL)
    cose.verify_head(empty, Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), SEAL.jwk)
    with pytest.raises(InclusionFault, match="no leaf 0"):
        cose.inclusion_receipt(empty, 0, [])


@pytest.mark.parametrize("old", [0, SIZE, SIZE + 1, -1])
def test_no_receipt_says_that_a_tree_continues_nothing_or_itself(old: int) -> None:
    with pytest.raises(ConsistencyFault, match="no receipt"):
        cose.consistency_receipt(head(), old, [])
    shown = cose._render(head(), cose.Consistency(max(old, 0), SIZE, ()))
    with pytest.raises(IntegrityFault):
        cose.verify_consistency_receipt(shown, checkpoint(max(old, 0)), SEAL.jwk)
