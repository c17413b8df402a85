"""A verifier written from FORMATS.md alone, with no code of ours, agrees with frozen bytes.

It shares nothing with the product but that page: hashes, JSON and curves come from their own libraries. So a
page that says something else than the code does is found here.
"""

import base64
import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from carevouch.identity.links import one_time_key

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def un(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


def part(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def open_jws(text: str, jwk: dict[str, str], typ: str) -> Any:
    """Section 4: the payload of an entry that `jwk` signed."""
    head, body, mark = text.split(".")
    kid = b64u(digest(rfc8785.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")})))
    assert un(head) == rfc8785.dumps({"alg": "ES256", "kid": kid, "typ": typ})
    x, y = (int.from_bytes(un(jwk[name]), "big") for name in ("x", "y"))
    r, s = (int.from_bytes(un(mark)[at : at + 32], "big") for at in (0, 32))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(SHA256()))
    payload = json.loads(un(body))
    assert rfc8785.dumps(payload) == un(body)
    return payload


def root_of(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: where a leaf hash and its inclusion path lead."""
    found, at, last = leaf, index, count - 1
    for other in path:
        if at % 2 or at == last:
            found = digest(b"\x01" + other + found)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            found = digest(b"\x01" + found + other)
        at, last = at >> 1, last >> 1
    assert last == 0
    return found


def genesis(version: int = 1) -> Any:
    """Section 6: a genesis of the vectors, out of its note, under the pinned vkey."""
    frozen = vectors("genesis")[version - 1]
    text, _, line = frozen["note"].rpartition("\n\n")
    dash, name, mark = line.rstrip("\n").split(" ")
    key = base64.b64decode(frozen["vkey"].split("+", 2)[2])
    key_id = digest(name.encode() + b"\n" + key)[:4]
    assert (dash, name, key[:1]) == ("\N{EM DASH}", frozen["vkey"].split("+")[0], b"\x01")
    assert base64.b64decode(mark)[:4] == key_id
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(base64.b64decode(mark)[4:], (text + "\n").encode())
    first, body = text.split("\n")
    assert first == f"carevouch.org/genesis/v{version}"
    said = json.loads(body)
    assert (said["v"], "mldsa" in said) == (version, version == 2)
    assert (un(said["log"]), said["origin"]) == (key[1:], name)
    return said


def verified(opening: Any, trusted: Any) -> Any:
    """Section 7: the leaf that an opening shows to be in its event."""
    service = json.loads(un(opening["certificate"].split(".")[1]))["service"]
    certificate = open_jws(opening["certificate"], trusted["roots"][service], "carevouch-cert+jws")
    event = open_jws(opening["event"], certificate["jwk"], "carevouch-event+jws")
    assert event["type"] in certificate["types"]
    assert certificate["nbf"] <= event["time"] <= certificate["exp"]
    assert (event["producer"], event["epoch"]) == (certificate["service"], certificate["epoch"])
    leaf = json.loads(un(opening["leaf"]))
    assert rfc8785.dumps(leaf) == un(opening["leaf"])
    assert set(leaf) == {"v", "doc", "version", "prev", "commit"}
    commitment = digest(b"carevouch.body.v1\n" + un(opening["nonce"]) + un(opening["body"]))
    assert leaf["commit"] == b64u(commitment)
    leaf_hash = digest(b"\x00" + un(opening["leaf"]))
    path = [un(item) for item in opening["path"]]
    assert root_of(leaf_hash, opening["index"], event["count"], path) == un(event["root"])
    return leaf


def test_every_frozen_opening_verifies_from_the_page_alone() -> None:
    openings = vectors("openings")
    for opening in openings:
        assert verified(opening, genesis())["v"] == 1
    assert any(opening["path"] for opening in openings)


def test_the_second_genesis_names_one_key_more() -> None:
    first, second = genesis(), genesis(2)
    assert set(second) - set(first) == {"mldsa"}
    assert len(un(second["mldsa"])) == 1312


@pytest.mark.parametrize("member", ["body", "nonce", "leaf"])
def test_the_page_s_verifier_sees_one_flipped_bit(member: str) -> None:
    opening = vectors("openings")[0]
    data = bytearray(un(opening[member]))
    data[-2] ^= 1
    with pytest.raises((AssertionError, ValueError)):
        verified({**opening, member: b64u(bytes(data))}, genesis())


def test_the_frozen_tags_names_and_ciphertexts_are_those_of_the_page() -> None:
    for item in vectors("tags"):
        assert item["tag"] == b64u(hmac.digest(un(item["secret"]), item["event_id"].encode(), "sha256"))
    for item in vectors("names"):
        values = rfc8785.dumps(item["values"])
        if "index_key" in item:
            assert item["pk"] == f"I#{b64u(hmac.digest(un(item['index_key']), values, 'sha256'))}"
        else:
            assert item["part"] == part(hmac.digest(un(item["secret"]), values, "sha256")[:16])
    for item in vectors("ciphertexts"):
        bound_to = rfc8785.dumps([item["deployment"], *item["row"]])
        sealed = un(item["ciphertext"])
        assert AESGCM(un(item["key"])).decrypt(sealed[:12], sealed[12:], bound_to) == un(item["plaintext"])


def test_a_frozen_grant_is_signed_over_exactly_what_the_page_says() -> None:
    for item in vectors("grants"):
        payload = open_jws(item["sig"], item["device"], "carevouch-consent+jws")
        assert payload == item["payload"]
        assert payload["content"] == b64u(digest(un(item["content"])))
        assert set(payload) == {"v", "content", "doc", "version", "prev", "request"}


def test_the_one_time_key_is_derived_as_the_page_says() -> None:
    for seed in (bytes(16), bytes(range(16))):
        wide = b"".join(digest(b"carevouch.enrolment.v1" + bytes([i]) + seed) for i in (0, 1))[:40]
        key = ec.derive_private_key(int.from_bytes(wide, "big") % (ORDER - 1) + 1, ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        jwk = one_time_key(seed).jwk
        assert (jwk["x"], jwk["y"]) == tuple(b64u(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
