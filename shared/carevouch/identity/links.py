"""Links of a person: the devices bound to them, the organisations enrolled for them, their identifiers.

A device binds itself to a person like this (FORMATS.md, 8). The provider's software makes a 128-bit seed and
shows it as a QR code; the seed is never sent. Both sides derive a one-time key from it. The provider signs an
*offer*: person, one-time public key and expiry. The device makes its own key and signs a *possession* with
it. The one-time key signs a *binding* around the possession. Offer and binding are the body of the person's
`BoundDevice` document. So the document proves itself, and nobody without the seed can bind a device.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, Malformed, Unprocessable
from carevouch.kernel.ids import Doc, about, part
from carevouch.kernel.jws import (
    Jwk,
    KeyInMemory,
    Signer,
    key_from_seed,
    public_key,
    sign,
    take_apart,
    thumbprint,
    verify,
)
from carevouch.kernel.times import later, moment

OFFER_TYP = "carevouch-offer+jws"
POSSESSION_TYP = "carevouch-possession+jws"
BINDING_TYP = "carevouch-binding+jws"
ACTIVE, REMOVED = "active", "removed"
SEED_BYTES = 16
# The code may lie about on paper. An offer that leaks after a day is worth nothing.
MAX_OFFER_SECONDS = 86_400
_PURPOSE = "carevouch.enrolment.v1"


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider's offer: the holder of the one-time key may bind a device to `patient`."""

    patient: str
    one_time: Jwk
    exp: str
    provider: str
    kid: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A verified binding: the key `device` may speak for `patient`."""

    patient: str
    device: Jwk
    provider: str
    offer: Offer

    @property
    def kid(self) -> str:
        """The id of the device's key, its thumbprint (RFC 7638)."""
        return thumbprint(self.device)


def one_time_key(seed: bytes) -> KeyInMemory:
    """The one-time key that both sides derive from the seed in the QR code."""
    if len(seed) != SEED_BYTES:
        raise Malformed(f"an enrolment code has {SEED_BYTES} bytes")
    return KeyInMemory(key_from_seed(seed, _PURPOSE))


def make_offer(patient: str, one_time: Jwk, exp: str, provider: str, signer: Signer) -> str:
    """The offer as a JWS for the device; `provider` is the organisation's directory id."""
    return sign(
        {"v": 1, "patient": patient, "one_time": one_time, "exp": exp, "provider": provider},
        OFFER_TYP,
        signer,
    )


def answer_offer(offer: str, seed: bytes, device: Signer) -> JsonObject:
    """The device's answer to an offer: the body that it posts to `/identity/devices`."""
    possession = sign(
        {"v": 1, "jwk": device.jwk, "offer": b64u(sha256(offer.encode("ascii")))}, POSSESSION_TYP, device
    )
    binding = sign({"v": 1, "possession": possession}, BINDING_TYP, one_time_key(seed))
    return {"offer": offer, "binding": binding}


def read_offer(text: str) -> Offer:
    """The offer in a JWS, without verifying it; raises `Malformed`."""
    signed = take_apart(text)
    body = signed.payload
    if signed.typ != OFFER_TYP or set(body) != {"v", "patient", "one_time", "exp", "provider"}:
        raise Malformed("not an offer with exactly v, patient, one_time, exp and provider")
    public_key(body["one_time"])
    moment(body["exp"], "the offer's exp")
    return Offer(str(body["patient"]), body["one_time"], body["exp"], str(body["provider"]), signed.kid)


def verify_binding(body: JsonObject, provider_key: Jwk, time: str) -> Binding:
    """The binding in {offer, binding}, made at `time`, if every signature of the chain holds.

    `provider_key` is the key that the offer names, in its provider's admission. Raises `IntegrityFault`
    naming the signature that does not hold, and `Malformed` for another form.
    """
    if set(body) != {"offer", "binding"} or not all(isinstance(item, str) for item in body.values()):
        raise Malformed("a device is bound with exactly offer and binding, both JWS")
    offer = read_offer(body["offer"])
    _link("the offer", body["offer"], provider_key, OFFER_TYP)
    if time > offer.exp:
        raise IntegrityFault(
            "the offer had expired when the device was bound; ask the provider for a new one"
        )
    if offer.exp > later(time, MAX_OFFER_SECONDS):
        raise IntegrityFault("the offer is good for more than 24 hours; ask the provider for a shorter one")
    outer = _link("the binding", body["binding"], offer.one_time, BINDING_TYP)
    inner = outer.get("possession")
    if set(outer) != {"v", "possession"} or not isinstance(inner, str):
        raise Malformed("a binding holds exactly v and possession")
    possession = take_apart(inner)
    device: Jwk = possession.payload.get("jwk") or {}
    public_key(device)
    _link("the possession", inner, device, POSSESSION_TYP)
    if possession.payload.get("offer") != b64u(sha256(body["offer"].encode("ascii"))):
        raise IntegrityFault("the device answered another offer")
    return Binding(offer.patient, device, offer.provider, offer)


def device_body(posted: JsonObject, *, status: str = ACTIVE) -> bytes:
    """The body of a `BoundDevice` document, whose `status` is `ACTIVE` or `REMOVED`."""
    return jcs({"v": 1, "offer": posted["offer"], "binding": posted["binding"], "status": status})


def parse_device(body: bytes) -> tuple[JsonObject, str]:
    """The posted {offer, binding} and the status in a device's body; raises `Malformed`."""
    value = parse_jcs(body, "the device")
    if set(value) != {"v", "offer", "binding", "status"}:
        raise Malformed("a device has exactly v, offer, binding and status")
    return {"offer": value["offer"], "binding": value["binding"]}, str(value["status"])


def is_active(body: bytes) -> bool:
    """Whether the device in a stored body may still speak for its person."""
    return parse_device(body)[1] == ACTIVE


def _link(name: str, text: str, jwk: Any, typ: str) -> JsonObject:
    try:
        return verify(take_apart(text), jwk, typ)
    except IntegrityFault as fault:
        raise IntegrityFault(f"{name} does not hold: {fault.message}") from fault


ENROLMENT = "Enrolment"


class Derivation(Protocol):
    """Derives ids that only the holder of the deployment's key can compute."""

    def derive(self, *values: object) -> bytes:
        """16 bytes that the same values always give."""


def enrolment_doc(key: Derivation, patient: str, organization: str) -> Doc:
    """The document that links this person with this organisation; there is one for each pair."""
    return Doc(ENROLMENT, about(patient, part(key.derive("enrolment", patient, organization))))


def enrolment_body(patient: str, organization: str) -> bytes:
    """The bytes of the document's body."""
    return jcs({"v": 1, "patient": patient, "organization": organization})


def check_enrolment(body: bytes, patient: str, organization: str) -> None:
    """Raise `IntegrityFault` unless the body links exactly these two."""
    if parse_jcs(body, "the enrolment") != {"v": 1, "patient": patient, "organization": organization}:
        raise IntegrityFault("the enrolment links another pair")


# A person has a handful of identifiers, and each is a row to write.
MAX_IDENTIFIERS = 40


def identifiers_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The distinct (system, value) pairs of a resource to be stored, in order.

    Raises `Unprocessable` if there are too many. If some were left out, the same person could be
    registered a second time.
    """
    found = every_identifier_of(resource)
    if len(found) > MAX_IDENTIFIERS:
        raise Unprocessable(
            f"a resource has at most {MAX_IDENTIFIERS} identifiers with system and value; leave some out"
        )
    return found


def every_identifier_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The distinct (system, value) pairs of a stored resource, in order and without a limit."""
    identifiers = resource.get("identifier") or []
    entries = (
        [item for item in identifiers if isinstance(item, dict)] if isinstance(identifiers, list) else []
    )
    pairs = ((item.get("system"), item.get("value")) for item in entries)
    found = [(system, value) for system, value in pairs if isinstance(system, str) and isinstance(value, str)]
    return tuple(dict.fromkeys(found))
