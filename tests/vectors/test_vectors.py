"""The code against the frozen bytes, and each vector's nearest invalid neighbours.

The files are read, never made here: a change of bytes fails these tests, and may only be a new version tag.
"""

import hmac
import json

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey

from carevouch.consent.signature import grant_payload, verify_grant
from carevouch.events.act import commit, inclusion_paths, leaf
from carevouch.events.catalogue import OPERATOR, types_of
from carevouch.events.certificate import parse_certificate, verify_certificate, verify_event
from carevouch.events.envelope import EVENT_TYP, event_payload, parse_event, strand_of, tag
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.events.opening import parse_opening, render_opening, verify_opening
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.ids import Doc, Key, parse_key, part
from carevouch.kernel.jws import take_apart, thumbprint
from carevouch.ledger.merkle import leaf_hash, root, verify_inclusion
from carevouch.store.keys import DeploymentKey, associated_data, decrypt, encrypt
from tests.vectors.frozen import Row, flipped, load

GENESIS: Genesis = parse_genesis(load("genesis")[0]["text"])
CERTIFICATES = {row["kid"]: parse_certificate(row["certificate"]) for row in load("certificates")}


@pytest.mark.parametrize("row", load("commitments"))
def test_commitments(row: Row) -> None:
    nonce, body = unb64u(row["nonce"]), unb64u(row["body"])
    assert commit(nonce, body) == unb64u(row["commit"]) == sha256(b"carevouch.body.v1\n" + nonce + body)
    assert commit(flipped(nonce), body) != unb64u(row["commit"])
    assert commit(nonce, body + b"\x00") != unb64u(row["commit"])
    with pytest.raises(ValueError, match="32 bytes"):
        commit(nonce + body[:1] if body else nonce[:-1], body[1:])


@pytest.mark.parametrize("row", load("leaves"))
def test_leaves(row: Row) -> None:
    type_, _, id_ = row["doc"].partition("/")
    doc, prev = Doc(type_, id_), row["prev"] and unb64u(row["prev"])
    data = leaf(doc, row["version"], prev, commit(unb64u(row["nonce"]), unb64u(row["body"])))
    assert data.decode() == row["leaf"]
    assert leaf_hash(data) == unb64u(row["leaf_hash"]) == sha256(b"\x00" + data)
    assert parse_key(Key(*row["key"])) == (doc, row["version"])
    assert leaf(doc, row["version"] + 1, prev, bytes(32)) != leaf(doc, row["version"], prev, bytes(32))


def test_leaves_of_a_document_follow_each_other() -> None:
    chain = load("leaves")[:3]
    assert [row["prev"] for row in chain] == [None, chain[0]["leaf_hash"], chain[1]["leaf_hash"]]


@pytest.mark.parametrize("row", load("acts"), ids=lambda row: str(len(row["paths"])))
def test_roots_and_paths(row: Row) -> None:
    hashes = [unb64u(text) for text in row["leaf_hashes"]]
    paths = [tuple(unb64u(text) for text in path) for path in row["paths"]]
    expected = unb64u(row["root"])
    assert root(hashes) == expected
    assert list(inclusion_paths(hashes)) == paths
    for index, (hash_, path) in enumerate(zip(hashes, paths, strict=True)):
        verify_inclusion(index, len(hashes), hash_, path, expected)
        with pytest.raises(IntegrityFault):
            verify_inclusion(index, len(hashes), flipped(hash_), path, expected)
        with pytest.raises(IntegrityFault):
            verify_inclusion(index, len(hashes), hash_, [*path, bytes(32)], expected)
        if path:
            with pytest.raises(IntegrityFault):
                verify_inclusion(index, len(hashes), hash_, [flipped(path[0]), *path[1:]], expected)


@pytest.mark.parametrize("row", load("certificates"), ids=lambda row: str(row["service"]))
def test_certificates(row: Row) -> None:
    certificate = CERTIFICATES[row["kid"]]
    verify_certificate(certificate, GENESIS)
    assert certificate.types == tuple(row["types"]) == types_of(row["service"])
    assert thumbprint(row["jwk"]) == row["kid"]
    assert GENESIS.roots[row["service"]] == row["root"]
    assert leaf_hash(row["certificate"].encode()) == unb64u(row["leaf_hash"])


@pytest.mark.parametrize("row", load("events"), ids=lambda row: str(row["payload"]["type"]))
def test_events(row: Row) -> None:
    event = parse_event(row["event"])
    verify_event(event, CERTIFICATES.get(event.kid), GENESIS)
    assert take_apart(event.text).payload == row["payload"]
    assert leaf_hash(event.text.encode()) == unb64u(row["leaf_hash"])
    assert {str(n): strand_of(event.id, n) for n in (1, 4, 7)} == row["strands"]
    names = ("id", "type", "producer", "n", "epoch", "time", "seal_by", "count", "root", "tags", "contract")
    rebuilt = event_payload(**{name: getattr(event, name) for name in names})
    assert jcs(rebuilt) == jcs(row["payload"])


@pytest.mark.parametrize("row", load("events"), ids=lambda row: str(row["payload"]["type"]))
def test_events_verify_with_other_implementations_of_jose(row: Row) -> None:
    producer = row["payload"]["producer"]
    jwk = GENESIS.operator if producer == OPERATOR else CERTIFICATES[row["kid"]].jwk
    registry = joserfc_jws.JWSRegistry(algorithms=["ES256"])
    joserfc = joserfc_jws.deserialize_compact(row["event"], ECKey.import_key({**jwk}), registry=registry)
    assert json.loads(joserfc.payload or b"") == row["payload"]
    assert joserfc.headers() == {"alg": "ES256", "kid": row["kid"], "typ": EVENT_TYP}
    pyjwt = jwt.PyJWS().decode_complete(row["event"], jwt.PyJWK(jwk).key, algorithms=["ES256"])
    assert json.loads(pyjwt["payload"]) == row["payload"]


def check_event(text: str) -> None:
    event = parse_event(text)
    verify_event(event, CERTIFICATES.get(event.kid), GENESIS)


@given(st.data())
@settings(max_examples=100)
def test_an_event_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([row["event"] for row in load("events")])).encode()
    place, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 7))
    changed = text[:place] + flipped(text[place:], bit)
    with pytest.raises((Malformed, IntegrityFault)):
        check_event(changed.decode("latin-1"))


@pytest.mark.parametrize("row", load("openings"), ids=lambda row: f"{row['index']}")
def test_openings(row: Row) -> None:
    file = jcs(row)
    opening = parse_opening(file)
    assert render_opening(opening) == file
    proved = verify_opening(opening, GENESIS)
    assert proved.body == unb64u(row["body"])
    assert proved.doc.type == "Observation"


@given(st.data())
@settings(max_examples=150)
def test_an_opening_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    file = jcs(data.draw(st.sampled_from(load("openings"))))
    place, bit = data.draw(st.integers(0, len(file) - 1)), data.draw(st.integers(0, 7))
    with pytest.raises((Malformed, IntegrityFault)):
        verify_opening(parse_opening(file[:place] + flipped(file[place:], bit)), GENESIS)


@pytest.mark.parametrize("row", load("tags"))
def test_tags(row: Row) -> None:
    secret, event_id = unb64u(row["secret"]), row["event_id"]
    assert tag(secret, event_id) == unb64u(row["tag"])
    assert unb64u(row["tag"]) == hmac.new(secret, event_id.encode(), "sha256").digest()
    assert tag(flipped(secret), event_id) != unb64u(row["tag"])


@pytest.mark.parametrize("row", load("names"))
def test_blind_indexes_and_ids_of_retried_acts(row: Row) -> None:
    if "pk" in row:
        key = DeploymentKey(bytes(32), bytes(32), unb64u(row["index_key"]))
        assert key.blind(*row["values"]) == row["pk"]
        assert key.blind(*row["values"][:-1], row["values"][-1] + " ") != row["pk"]
        assert key.blind(row["values"][0], "".join(row["values"][1:]), "") != row["pk"]
    else:
        key = DeploymentKey(bytes(32), unb64u(row["secret"]), bytes(32))
        assert part(key.derive(*row["values"])) == row["part"]
        assert part(key.derive(*row["values"][:-1], "other")) != row["part"]


@pytest.mark.parametrize("row", load("ciphertexts"))
def test_bodies_at_rest(row: Row) -> None:
    key, plain, sealed = unb64u(row["key"]), unb64u(row["plaintext"]), unb64u(row["ciphertext"])
    bound = associated_data(row["deployment"], Key(*row["row"]))
    assert bound.decode() == row["associated_data"]
    assert encrypt(key, unb64u(row["iv"]), plain, bound) == sealed
    assert decrypt(key, sealed, bound) == plain
    moved = associated_data(row["deployment"], Key(row["row"][0], row["row"][1][:-1] + "2"))
    elsewhere = associated_data("another", Key(*row["row"]))
    for args in (
        (flipped(key), sealed, bound),
        (key, flipped(sealed), bound),
        (key, sealed[:-1], bound),
        (key, sealed, moved),
        (key, sealed, elsewhere),
        (key, b"", bound),
    ):
        with pytest.raises(IntegrityFault):
            decrypt(*args)


@pytest.mark.parametrize("row", load("grants"), ids=lambda row: str(row["payload"]["version"]))
def test_grants(row: Row) -> None:
    content, payload = unb64u(row["content"]), row["payload"]
    prev = payload["prev"] and unb64u(payload["prev"])
    built = grant_payload(content, payload["doc"], payload["version"], prev, payload["request"])
    assert jcs(built) == jcs(payload)
    facts: Row = {"content": content, "doc": payload["doc"], "version": payload["version"], "prev": prev}
    assert verify_grant(row["sig"], row["device"], **facts) == payload["request"]
    for change in (
        {"content": content + b" "},
        {"doc": payload["doc"][:-1]},
        {"version": payload["version"] + 1},
        {"prev": bytes(32)},
        {"request": payload["request"][:-1]},
    ):
        with pytest.raises(IntegrityFault):
            verify_grant(row["sig"], row["device"], **{**facts, **change})
    with pytest.raises(IntegrityFault):
        verify_grant(row["sig"], GENESIS.operator, **facts)
