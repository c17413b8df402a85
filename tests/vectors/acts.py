"""Vectors of what producers make: commitments, leaves, acts, certificates, events, openings, grants, rows.

Each value has its inputs beside it, for other implementations.
"""

from typing import Any

from carevouch.consent.signature import grant_payload, sign_grant
from carevouch.events.act import Act, EventFacts, Revision, assemble, commit, leaf, payload_of
from carevouch.events.catalogue import SERVICES, types_of
from carevouch.events.certificate import CERT_TYP, certificate_payload
from carevouch.events.envelope import EVENT_TYP, parse_event, strand_of, tag
from carevouch.events.opening import make_opening, opening_json
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.ids import Doc, about, audit, directory, part
from carevouch.kernel.jws import sign, take_apart
from carevouch.ledger.merkle import leaf_hash
from carevouch.store.keys import DeploymentKey, associated_data, encrypt
from tests.vectors.seed import DEPLOYMENT, PATIENT, SEAL_BY, SECRET, TIME, Rows, derived, key


def doc(type_: str, name: str) -> Doc:
    """A document about the vectors' patient."""
    return Doc(type_, about(PATIENT, part(derived(name, 16))))


def revision(name: str, type_: str, body: bytes, version: int = 1, prev: bytes | None = None) -> Revision:
    """A revision whose nonce and id come from its name."""
    return Revision(doc(type_, name), version, prev, derived(f"nonce {name} {version}"), body)


def observations(count: int) -> Act:
    """An act of so many small Observations."""
    bodies = (b'{"resourceType":"Observation","valueQuantity":{"value":%d.50}}' % n for n in range(count))
    return assemble([revision(f"observation {n}", "Observation", body) for n, body in enumerate(bodies)])


def commitments() -> Rows:
    """commit = SHA-256 of tag, nonce and body."""
    bodies = (b"", b"{}", b'{"value":1.50}', '{"name":"Ünï\U0001f600"}'.encode(), bytes(range(256)))
    rows = []
    for number, body in enumerate(bodies):
        nonce = derived(f"commitment {number}")
        rows.append({"nonce": b64u(nonce), "body": b64u(body), "commit": b64u(commit(nonce, body))})
    return rows


def leaves() -> Rows:
    """The canonical leaf and its RFC 6962 hash, for a chain of three versions and other kinds of id."""
    chain: list[Revision] = []
    for version in (1, 2, 3):
        prev = chain[-1].leaf_hash if chain else None
        chain.append(revision("chain", "Observation", b'{"version":%d}' % version, version, prev))
    own = part(derived("own", 16))
    others = (
        Doc("Patient", PATIENT),
        Doc("Organization", directory(own)),
        Doc("AuditEvent", audit(PATIENT, own, TIME)),
        Doc("AuditEvent", audit(None, own, TIME)),
    )
    nonce = derived("others")
    return [_leaf(each) for each in (*chain, *(Revision(other, 1, None, nonce, b"{}") for other in others))]


def _leaf(each: Revision) -> dict[str, Any]:
    commitment = commit(each.nonce, each.body)
    return {
        "doc": str(each.doc),
        "version": each.version,
        "prev": None if each.prev is None else b64u(each.prev),
        "nonce": b64u(each.nonce),
        "body": b64u(each.body),
        "leaf": leaf(each.doc, each.version, each.prev, commitment).decode(),
        "leaf_hash": b64u(each.leaf_hash),
        "key": [each.doc.key(each.version).pk, each.doc.key(each.version).sk],
    }


def acts() -> Rows:
    """Roots and all inclusion paths of acts of several sizes."""
    rows = []
    for count in (1, 2, 3, 5, 8, 13):
        act = observations(count)
        rows.append(
            {
                "leaf_hashes": [b64u(hash_) for hash_ in act.leaf_hashes],
                "root": b64u(act.root),
                "paths": [[b64u(hash_) for hash_ in path] for path in act.paths],
            }
        )
    return rows


def certificate(service: str) -> str:
    """The certificate of the service's session key."""
    payload = certificate_payload(
        key(f"session {service}").jwk, service, 1, "2026-11-22T09:59:00.000Z", "2026-11-23T10:00:00.000Z"
    )
    return sign(payload, CERT_TYP, key(f"root {service}"))


def certificates() -> Rows:
    """One certificate per service."""
    rows = []
    for service in SERVICES:
        session, root = key(f"session {service}"), key(f"root {service}")
        rows.append(
            {
                "service": service,
                "types": list(types_of(service)),
                "jwk": session.jwk,
                "kid": session.kid,
                "root": root.jwk,
                "certificate": certificate(service),
                "leaf_hash": b64u(leaf_hash(certificate(service).encode())),
            }
        )
    return rows


def event(act: Act, name: str, type_: str, producer: str, n: int = 1, contract: str | None = None) -> str:
    """The signed event of an act about the vectors' patient."""
    event_id = part(derived(f"event {name}", 16))
    facts = EventFacts(event_id, type_, producer, n, 1, TIME, SEAL_BY, (tag(SECRET, event_id),), contract)
    signer = key("operator" if producer == "operator" else f"session {producer}")
    return sign(payload_of(act, facts), EVENT_TYP, signer)


def claim() -> Act:
    """A claim with its answer, accumulator and recorded decision."""
    types = ("Claim", "ClaimResponse", "Accumulator", "Decision")
    return assemble([revision(f"claim {type_}", type_, jcs({"resourceType": type_})) for type_ in types])


def admission() -> Act:
    """An organisation as the operator admits it."""
    own = directory(part(derived("organisation", 16)))
    docs = (Doc("Admission", own), Doc("Organization", own))
    return assemble([Revision(each, 1, None, derived(str(each)), b"{}") for each in docs])


def events() -> Rows:
    """Events of several producers, with the entry's leaf hash and its strand among 1, 4 and 7."""
    texts = [
        event(observations(1), "one", "records.stored", "records"),
        event(observations(13), "many", "records.stored", "records", 2),
        event(claim(), "claim", "claim.adjudicated", "claims", 7, sha256(b"a contract").hex()),
        event(admission(), "admission", "organization.admitted", "operator"),
    ]
    return [_event(text) for text in texts]


def _event(text: str) -> dict[str, Any]:
    parsed = parse_event(text)
    return {
        "event": text,
        "payload": take_apart(text).payload,
        "kid": parsed.kid,
        "leaf_hash": b64u(leaf_hash(text.encode())),
        "strands": {str(strands): strand_of(parsed.id, strands) for strands in (1, 4, 7)},
    }


def openings() -> Rows:
    """Openings of a first, a middle and a last revision, and of an act of one."""
    rows = []
    for count, index in ((1, 0), (13, 0), (13, 6), (13, 12)):
        act, name = observations(count), "one" if count == 1 else "many"
        text = event(act, name, "records.stored", "records", 1 if count == 1 else 2)
        opening = make_opening(act.revisions[index], text, certificate("records"), index, act.paths[index])
        rows.append(opening_json(opening))
    return rows


def tags() -> Rows:
    """tag = HMAC-SHA-256(subject secret, event id)."""
    ids = [part(derived(f"tagged {number}", 16)) for number in range(3)]
    return [{"secret": b64u(SECRET), "event_id": each, "tag": b64u(tag(SECRET, each))} for each in ids]


def names() -> Rows:
    """Blind identifier keys, and the ids of retried acts."""
    deployment = DeploymentKey(derived("data"), derived("secret"), derived("index"))
    index_key, secret = b64u(deployment.index), b64u(deployment.secret)
    rows: Rows = []
    for values in (
        ("Patient", "urn:oid:2.16.840.1.113883.4.1", "999-99-9999"),
        ("Organization", "", "Ünï|#"),
    ):
        rows.append({"index_key": index_key, "values": list(values), "pk": deployment.blind(*values)})
    for attempt, what in ((0, "doc"), (1, "doc"), (0, "event")):
        asked = ["d.caller", "key-1", attempt, 0, what]
        rows.append({"secret": secret, "values": asked, "part": part(deployment.derive(*asked))})
    return rows


def ciphertexts() -> Rows:
    """AES-256-GCM over nonce and body, bound to deployment and row."""
    data_key, iv = derived("data key"), derived("iv", 12)
    row = doc("Observation", "stored").key(1)
    plain = derived("stored nonce") + b'{"value":1.50}'
    bound = associated_data(DEPLOYMENT, row)
    return [
        {
            "key": b64u(data_key),
            "iv": b64u(iv),
            "deployment": DEPLOYMENT,
            "row": [row.pk, row.sk],
            "plaintext": b64u(plain),
            "associated_data": bound.decode(),
            "ciphertext": b64u(encrypt(data_key, iv, plain, bound)),
        }
    ]


def grants() -> Rows:
    """The payloads that a device signs for a consent: a first version and a later one."""
    rows = []
    for version, prev in ((1, None), (2, derived("previous leaf"))):
        content = b'{"resourceType":"Consent","status":"active"}'
        consent, asked = str(doc("Consent", "consent")), part(derived("consent request", 16))
        payload = grant_payload(content, consent, version, prev, asked)
        signed = sign_grant(payload, key("device"))
        rows.append(
            {"content": b64u(content), "payload": payload, "device": key("device").jwk, "sig": signed}
        )
    return rows


FILES = {
    "commitments": commitments,
    "leaves": leaves,
    "acts": acts,
    "certificates": certificates,
    "events": events,
    "openings": openings,
    "tags": tags,
    "names": names,
    "ciphertexts": ciphertexts,
    "grants": grants,
}
