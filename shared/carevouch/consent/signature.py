"""The signature of the patient's device under a consent, and the stored body that holds it (FORMATS.md, 9).

The device signs a compact JWS. It covers the hash of exactly these FHIR bytes, the document, its version, the
leaf hash of the version before, and the request. A grant can therefore be neither moved to another document
nor replayed over a later version. Verifying raises; it never returns False.
"""

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import Jwk, Signer, sign, take_apart, verify

GRANT_TYP = "carevouch-consent+jws"
_MEMBERS = ("v", "content", "doc", "version", "prev", "request")


def grant_payload(content: bytes, doc: str, version: int, prev: bytes | None, request: str) -> JsonObject:
    """The payload that a device signs, so that the FHIR bytes `content` become `version` of `doc`
    (`Consent/id`).

    `prev` is the leaf hash of the document's previous revision, None for the first. `request` is the id of
    the consent request that handed out these values.
    """
    return {
        "v": 1,
        "content": b64u(sha256(content)),
        "doc": doc,
        "version": version,
        "prev": b64u(prev) if prev is not None else None,
        "request": request,
    }


def sign_grant(payload: JsonObject, device: Signer) -> str:
    """The compact JWS with which the device grants the request."""
    return sign(payload, GRANT_TYP, device)


def verify_grant(
    sig: str,
    jwk: Jwk,
    *,
    content: bytes,
    doc: str,
    version: int,
    prev: bytes | None,
    request: str | None = None,
) -> str:
    """The id of the request that `sig` answers, if the device with the key `jwk` signed exactly this grant.

    If `request` is given, the signature must answer that request. Raises `IntegrityFault`, which names the
    first member that differs or the fault of the signature.
    """
    try:
        payload = verify(take_apart(sig), jwk, GRANT_TYP)
    except Malformed as error:
        raise IntegrityFault(f"the consent's signature cannot be read: {error.message}") from error
    if set(payload) != set(_MEMBERS):
        raise IntegrityFault("the signed grant does not have exactly the members of version 1")
    answered = payload["request"]
    if not isinstance(answered, str):
        raise IntegrityFault("the signed grant differs in request: it is not text")
    expected = grant_payload(content, doc, version, prev, answered if request is None else request)
    for member in _MEMBERS:
        if payload[member] != expected[member] or type(payload[member]) is not type(expected[member]):
            raise IntegrityFault(f"the signed grant differs in {member}")
    return answered


def check_signed(body: bytes, device: Jwk, *, doc: str, version: int, prev: bytes | None) -> None:
    """Raise `IntegrityFault` unless the device signed the consent in this stored body, as this revision."""
    content, sig = parse_body(body)
    if sig is None:
        raise IntegrityFault("the consent carries no signature of a device")
    verify_grant(sig, device, content=content, doc=doc, version=version, prev=prev)


def body_of(content: bytes, sig: str | None) -> bytes:
    """The stored body of a Consent revision: its FHIR bytes and the device's JWS, or None."""
    return jcs({"content": b64u(content), "sig": sig})


def parse_body(body: bytes) -> tuple[bytes, str | None]:
    """The FHIR bytes and the signature in a stored body; raises `Malformed` for any other bytes."""
    value = parse_jcs(body, "the body of the consent")
    if set(value) != {"content", "sig"} or not isinstance(value["content"], str):
        raise Malformed("the body of the consent is not exactly content and sig")
    if value["sig"] is not None and not isinstance(value["sig"], str):
        raise Malformed("sig in the body of the consent is text or null")
    return unb64u(value["content"], "content in the body of the consent"), value["sig"]
