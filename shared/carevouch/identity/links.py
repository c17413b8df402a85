"""How a device binds itself to a person (FORMATS.md, 8).

The provider's software makes a 128-bit seed and shows it as a QR code; it is never sent. Both sides derive
a one-time key from it. The provider signs an *offer* (person, one-time public key, expiry). The device
makes its own key and answers with a *possession* signed by that key, inside a *binding* signed by the
one-time key. All three together are the body of the person's `BoundDevice` document, which therefore proves
itself: nobody who lacks the seed can bind.
"""

from dataclasses import dataclass
from typing import Any

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, Malformed, Unprocessable
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
# A code lies about on paper: a day to use it, and an offer that leaks later is worth nothing.
MAX_OFFER_SECONDS = 86_400
_PURPOSE = "carevouch.enrolment.v1"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider offers: that whoever holds the one-time key may bind a device to `patient`."""

    patient: str
    one_time: Jwk
    exp: str
    provider: str
    kid: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A verified binding: `device` is the key that from now on speaks for `patient`."""

    patient: str
    device: Jwk
    provider: str
    offer: Offer

    @property
    def kid(self) -> str:
        """The thumbprint of the device's key."""
        return thumbprint(self.device)


def one_time_key(seed: bytes) -> KeyInMemory:
    """The one-time key both sides derive from the seed in the QR code."""
    if len(seed) != SEED_BYTES:
        raise Malformed("an enrolment code has 16 bytes")
    return KeyInMemory(key_from_seed(seed, _PURPOSE))


def make_offer(patient: str, one_time: Jwk, exp: str, provider: str, signer: Signer) -> str:
    """The provider's side: a JWS to hand to the device; `provider` is the organisation's directory id."""
    return sign(
        {"v": 1, "patient": patient, "one_time": one_time, "exp": exp, "provider": provider},
        OFFER_TYP,
        signer,
    )


def answer_offer(offer: str, seed: bytes, device: Signer) -> JsonObject:
    """The device's side: what it posts to `/identity/devices`."""
    possession = sign(
        {"v": 1, "jwk": device.jwk, "offer": b64u(sha256(offer.encode("ascii")))}, POSSESSION_TYP, device
    )
    binding = sign({"v": 1, "possession": possession}, BINDING_TYP, one_time_key(seed))
    return {"offer": offer, "binding": binding}


def read_offer(text: str) -> Offer:
    """The offer that `text` spells, unverified; raises `Malformed`."""
    signed = take_apart(text)
    body = signed.payload
    if signed.typ != OFFER_TYP or set(body) != {"v", "patient", "one_time", "exp", "provider"}:
        raise Malformed("not an offer with exactly v, patient, one_time, exp and provider")
    public_key(body["one_time"])
    moment(body["exp"], "the offer's exp")
    return Offer(str(body["patient"]), body["one_time"], body["exp"], str(body["provider"]), signed.kid)


def verify_binding(body: JsonObject, provider_key: Jwk, time: str) -> Binding:
    """The binding in {offer, binding}, made at `time`, if every signature of the chain holds.

    `provider_key` is the key of the offer's provider with the offer's kid. Raises `IntegrityFault` naming
    the link that does not hold, `Malformed` for other shapes.
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
    inner = _inner(outer)
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
    """What was posted, and the status; raises `Malformed`."""
    value = parse_jcs(body, "the device")
    if set(value) != {"v", "offer", "binding", "status"}:
        raise Malformed("a device has exactly v, offer, binding and status")
    return {"offer": value["offer"], "binding": value["binding"]}, str(value["status"])


def is_active(body: bytes) -> bool:
    """Whether a stored device may still speak for its person."""
    return parse_device(body)[1] == ACTIVE


def _inner(outer: JsonObject) -> str:
    if set(outer) != {"v", "possession"} or not isinstance(outer["possession"], str):
        raise Malformed("a binding holds exactly v and possession")
    return outer["possession"]


def _link(name: str, text: str, jwk: Any, typ: str) -> JsonObject:
    try:
        return verify(take_apart(text), jwk, typ)
    except IntegrityFault as fault:
        raise IntegrityFault(f"{name} does not hold: {fault.message}") from fault


ENROLMENT = "Enrolment"


def enrolment_body(patient: str, organization: str) -> bytes:
    """The bytes of the document's body."""
    return jcs({"v": 1, "patient": patient, "organization": organization})


def check_enrolment(body: bytes, patient: str, organization: str) -> None:
    """Raise `IntegrityFault` unless the body links exactly these two."""
    if parse_jcs(body, "the enrolment") != {"v": 1, "patient": patient, "organization": organization}:
        raise IntegrityFault("the enrolment links another pair")


# A person has a handful; a resource that carries more tries something else, and each is a row to write.
MAX_IDENTIFIERS = 40


def identifiers_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The distinct (system, value) pairs of a resource to be stored, in order.

    Raises `Unprocessable` where there are too many: an identifier that is left out could make the same
    person a second time.
    """
    found = every_identifier_of(resource)
    if len(found) > MAX_IDENTIFIERS:
        raise Unprocessable(
            f"a resource has at most {MAX_IDENTIFIERS} identifiers with system and value; leave some out"
        )
    return found


def every_identifier_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The same of a resource that is stored, however many there are: all of them are to be found again."""
    listed = resource.get("identifier") or []
    entries = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    pairs = ((item.get("system"), item.get("value")) for item in entries)
    found = [(system, value) for system, value in pairs if isinstance(system, str) and isinstance(value, str)]
    return tuple(dict.fromkeys(found))
