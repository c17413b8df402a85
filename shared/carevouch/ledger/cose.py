"""COSE Receipts (RFC 9942): proofs from the same tree, in the envelope that SCITT uses (RFC 9943).

A *signed head* is an ES256 signature (COSE_Sign1, RFC 9052) of the sealer's key over a checkpoint. The
protected header has the origin and the size, and the root is the detached payload. The sealer makes one per
checkpoint, and only of a committed head. A receipt is that signature with one unprotected proof beside it. So
anyone with the head and the tiles can make every receipt, without a key.

RFC 9942 signs only the root and leaves the size to the proof. Then a receipt of leaf 1 of 2 would also pass
as one of leaf 4 of 5, because both paths are computed alike. So the header's claims (RFC 9597) sign the size:
`iss` is the log's origin, and `sub` its size in decimal. Other readers ignore these claims.

The signed bytes begin with the byte 84, a CBOR array of four. A JWS by the same key begins with letters of
base64url. So no signature of one kind passes as one of the other.

Each receipt has one encoding (RFC 8949 section 4.2.1), and every other encoding is refused. As with every
ECDSA signature, (r, n - s) verifies too, so the bytes of a receipt must not serve as its name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from carevouch.kernel.canonical import is_whole
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jws import Jwk, Signer, check_signature, public_key, thumbprint
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import (
    ConsistencyFault,
    InclusionFault,
    root_from_consistency,
    root_from_inclusion,
)

# Twice the longest honest receipt: 126 hashes, two headers and a signature.
MAX_RECEIPT = 10_000
_COSE_SIGN1 = 18
_ALG, _KID, _CLAIMS, _VDS, _VDP = 1, 4, 15, 395, 396
_ISS, _SUB = 1, 2
_ES256 = -7
_RFC9162_SHA256 = 1
_INCLUSION, _CONSISTENCY = -1, -2
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class ReceiptFault(IntegrityFault):
    """The bytes are not a COSE receipt or signed head, or another key signed them."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A signature over a checkpoint: the bytes of the protected header, and r and s."""

    protected: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class HeadStatement:
    """The statement in a protected header, not verified: the log, its size, and the signing key."""

    origin: str
    size: int
    kid: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof of the leaf at `index` of `size`. `path` runs from its sibling to the root's child."""

    size: int
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof that the tree of `new_size` leaves continues that of `old_size`."""

    old_size: int
    new_size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """A parsed receipt, not verified."""

    head: SignedHead
    statement: HeadStatement
    proof: Inclusion | Consistency


def sign_head(checkpoint: Checkpoint, signer: Signer) -> SignedHead:
    """Sign the checkpoint, without its extension lines, with the sealer's key.

    The caller must know that the head is committed and applied, and that it continues every signed head.
    """
    protected = _protected(HeadStatement(checkpoint.origin, checkpoint.size, signer.kid))
    return SignedHead(protected, signer.sign(_to_be_signed(protected, checkpoint.root)))


def render_head(head: SignedHead) -> bytes:
    """The bytes of a signed head, which is a COSE_Sign1 without a proof."""
    return _sign1(head, {})


def parse_head(data: bytes) -> SignedHead:
    """The signed head that `render_head` wrote; raises `ReceiptFault` for any other bytes."""
    head, unprotected = _take_apart(data)
    _statement(head.protected)
    if unprotected or render_head(head) != data:
        raise ReceiptFault("the signed head is not in its one canonical form")
    return head


def statement_of(head: SignedHead) -> HeadStatement:
    """The statement in the head's protected header, not verified; raises `ReceiptFault`."""
    return _statement(head.protected)


def verify_head(head: SignedHead, checkpoint: Checkpoint, jwk: Jwk) -> None:
    """Raise `ReceiptFault` unless `jwk` signed exactly this checkpoint's origin, size and root."""
    statement = _statement(head.protected)
    if (statement.origin, statement.size) != (checkpoint.origin, checkpoint.size):
        raise ReceiptFault(
            f"the signed head is of {statement.origin} at size {statement.size}, "
            f"not of {checkpoint.origin} at size {checkpoint.size}"
        )
    _verify(head, statement, checkpoint.root, jwk)


def inclusion_receipt(head: SignedHead, index: int, path: Sequence[bytes]) -> bytes:
    """The receipt of leaf `index` under `head`. `path` is from `merkle.inclusion_proof` at the head's size.

    The path is not checked, because a head has no root. Raises `InclusionFault` for an index out of range.
    """
    size = _statement(head.protected).size
    if not 0 <= index < size:
        raise InclusionFault(f"a tree of {size} leaves has no leaf {index}")
    return _render(head, Inclusion(size, index, tuple(path)))


def consistency_receipt(head: SignedHead, old_size: int, path: Sequence[bytes]) -> bytes:
    """The receipt that `head` continues the tree of `old_size`. `path` is from `merkle.consistency_proof`.

    RFC 9942 asks for at least one hash. There is none from the empty tree, or from a tree to itself, so these
    have no receipt. Raises `ConsistencyFault` for them.
    """
    size = _statement(head.protected).size
    if not 0 < old_size < size:
        raise ConsistencyFault(
            f"there is no receipt that a tree of {size} leaves continues one of {old_size}"
        )
    return _render(head, Consistency(old_size, size, tuple(path)))


def parse_receipt(data: bytes) -> CoseReceipt:
    """The receipt in `data`, not verified; raises `ReceiptFault` unless it has exactly one proof."""
    head, unprotected = _take_apart(data)
    receipt = CoseReceipt(head, _statement(head.protected), _proof(unprotected))
    if _render(head, receipt.proof) != data:
        raise ReceiptFault("the receipt is not in its one canonical form")
    return receipt


def verify_inclusion_receipt(data: bytes, leaf_hash: bytes, jwk: Jwk) -> tuple[Checkpoint, int]:
    """The checkpoint that `jwk` signed, and the index in it of the entry with `leaf_hash`.

    Raises `ReceiptFault` or `InclusionFault`. The caller must compare the checkpoint's origin with the log
    that it means, because one key signs for all strands of a deployment.
    """
    receipt = parse_receipt(data)
    proof, statement = receipt.proof, receipt.statement
    if not isinstance(proof, Inclusion):
        raise ReceiptFault("the receipt proves consistency, not inclusion")
    _check_size(statement, proof.size)
    root = root_from_inclusion(proof.index, proof.size, leaf_hash, proof.path)
    _verify(receipt.head, statement, root, jwk)
    return Checkpoint(statement.origin, statement.size, root), proof.index


def verify_consistency_receipt(data: bytes, old: Checkpoint, jwk: Jwk) -> Checkpoint:
    """The checkpoint that `jwk` signed and that continues `old`, which was verified before.

    Raises `ReceiptFault` or `ConsistencyFault`.
    """
    receipt = parse_receipt(data)
    proof, statement = receipt.proof, receipt.statement
    if not isinstance(proof, Consistency):
        raise ReceiptFault("the receipt proves inclusion, not consistency")
    if (statement.origin, proof.old_size) != (old.origin, old.size):
        raise ReceiptFault(f"the receipt does not continue {old.origin} at size {old.size}")
    _check_size(statement, proof.new_size)
    root = root_from_consistency(old.size, old.root, proof.new_size, proof.path)
    _verify(receipt.head, statement, root, jwk)
    return Checkpoint(statement.origin, statement.size, root)


def _verify(head: SignedHead, statement: HeadStatement, root: bytes, jwk: Jwk) -> None:
    if statement.kid != thumbprint(jwk):
        raise ReceiptFault("the receipt names another key")
    try:
        check_signature(public_key(jwk), _to_be_signed(head.protected, root), head.signature)
    except IntegrityFault as error:
        raise ReceiptFault(
            f"the proof does not lead to the root that was signed for {statement.origin} "
            f"at size {statement.size}, or another key signed it"
        ) from error


def _check_size(statement: HeadStatement, size: int) -> None:
    if statement.size != size:
        raise ReceiptFault(f"the proof is for size {size}, and the signature for size {statement.size}")


def _to_be_signed(protected: bytes, root: bytes) -> bytes:
    """Sig_structure of RFC 9052 section 4.4, without external data."""
    return _encode(["Signature1", protected, b"", root])


def _protected(statement: HeadStatement) -> bytes:
    claims = {_ISS: statement.origin, _SUB: str(statement.size)}
    kid = statement.kid.encode("ascii")
    return _encode({_ALG: _ES256, _KID: kid, _CLAIMS: claims, _VDS: _RFC9162_SHA256})


def _statement(protected: bytes) -> HeadStatement:
    match _decode(protected):
        case {4: bytes(kid), 15: {1: str(origin), 2: str(size)}} if kid.isascii() and _SIZE.fullmatch(size):
            statement = HeadStatement(origin, int(size), kid.decode("ascii"))
            if _protected(statement) == protected:
                return statement
    raise ReceiptFault(
        "the protected header is not exactly ES256, a kid, iss and sub (a size), and RFC9162_SHA256"
    )


def _render(head: SignedHead, proof: Inclusion | Consistency) -> bytes:
    if isinstance(proof, Inclusion):
        label, value = _INCLUSION, [proof.size, proof.index, list(proof.path)]
    else:
        label, value = _CONSISTENCY, [proof.old_size, proof.new_size, list(proof.path)]
    return _sign1(head, {_VDP: {label: [_encode(value)]}})


def _proof(unprotected: Mapping[Any, Any]) -> Inclusion | Consistency:
    match unprotected.get(_VDP):
        case {-1: [bytes(proof)]}:
            kind: type[Inclusion | Consistency] = Inclusion
        case {-2: [bytes(proof)]}:
            kind = Consistency
        case _:
            raise ReceiptFault("the receipt does not hold exactly one proof of inclusion or of consistency")
    match _decode(proof):
        case [first, second, [*path]] if _is_size(first) and _is_size(second):
            if all(isinstance(hash_, bytes) for hash_ in path):
                return kind(first, second, tuple(path))
    raise ReceiptFault("the receipt's proof is not two numbers and a path")


def _is_size(value: Any) -> bool:
    return is_whole(value, 0, 2**63 - 1)


def _sign1(head: SignedHead, unprotected: dict[int, Any]) -> bytes:
    return _encode(cbor2.CBORTag(_COSE_SIGN1, [head.protected, unprotected, None, head.signature]))


def _take_apart(data: bytes) -> tuple[SignedHead, Mapping[Any, Any]]:
    if len(data) > MAX_RECEIPT:
        raise ReceiptFault(f"a receipt has at most {MAX_RECEIPT} bytes")
    match _decode(data):
        case cbor2.CBORTag(
            tag=18, value=[bytes(protected), Mapping() as unprotected, None, bytes(signature)]
        ):
            return SignedHead(protected, signature), unprotected
    raise ReceiptFault("the file is not a COSE_Sign1 with a detached payload")


def _encode(value: Any) -> bytes:
    return cbor2.dumps(value, canonical=True)


def _decode(data: bytes) -> Any:
    """The CBOR value in `data`. The callers encode it again and compare the bytes."""
    try:
        return cbor2.loads(data)
    except cbor2.CBORError as error:
        raise ReceiptFault("the receipt is not CBOR") from error
