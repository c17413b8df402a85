"""Certificates of session keys, and the checks that make an event true.

An execution environment makes a key in memory. The service's root key (in KMS, named in genesis) certifies it
for event types, a span of time and an epoch. So KMS is called once per environment and never per event. An
event is true if the certified key signed it, nbf <= time <= exp, its type is certified, and its producer is
the certified service. The operator's key in genesis signs the operator's acts directly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.events.catalogue import OPERATOR, SERVICES, types_of
from carevouch.events.envelope import EVENT_TYP, Event
from carevouch.events.genesis import Genesis
from carevouch.kernel.canonical import JsonObject, is_whole
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import (
    KEPT,
    Jwk,
    Jws,
    check_signature,
    public_key,
    take_apart,
    thumbprint,
    verify,
)
from carevouch.kernel.times import moment

CERT_TYP = "carevouch-cert+jws"
_ROOT_MEMBERS = ("crv", "d", "kty", "x", "y")
MEMBERS = frozenset(["v", "kid", "jwk", "service", "types", "epoch", "nbf", "exp"])


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate. `text` is its entry, and `key` is the public key in `jwk`."""

    kid: str
    jwk: Jwk
    service: str
    types: tuple[str, ...]
    epoch: int
    nbf: str
    exp: str
    signed: Jws
    key: ec.EllipticCurvePublicKey = field(compare=False, repr=False)

    @property
    def text(self) -> str:
        """The compact JWS, which is the certificate's entry in the log."""
        return self.signed.text


def certificate_payload(jwk: Jwk, service: str, epoch: int, nbf: str, exp: str) -> JsonObject:
    """The payload that a service's root key signs with typ `CERT_TYP`. It lists all the service's types."""
    return {
        "v": 1,
        "kid": thumbprint(jwk),
        "jwk": jwk,
        "service": service,
        "types": list(types_of(service)),
        "epoch": epoch,
        "nbf": nbf,
        "exp": exp,
    }


def parse_certificate(text: str) -> Certificate:
    """The certificate in `text`, not verified; raises `Malformed`."""
    signed = take_apart(text)
    body = signed.payload
    if signed.typ != CERT_TYP or set(body) != MEMBERS or not is_whole(body["v"], 1, 1):
        raise Malformed("not a certificate with exactly the members of version 1")
    key = public_key(body["jwk"])
    if body["kid"] != thumbprint(body["jwk"]) or body["service"] not in SERVICES:
        raise Malformed("the certificate's kid or service is not of its form")
    types, epoch = body["types"], body["epoch"]
    if not isinstance(types, list) or not all(isinstance(item, str) for item in types):
        raise Malformed("the certificate's types are not a list of event types")
    if not is_whole(epoch, 1, 2**53):
        raise Malformed("the certificate's epoch is not a number")
    moment(body["nbf"], "the certificate's nbf")
    moment(body["exp"], "the certificate's exp")
    return Certificate(
        body["kid"], body["jwk"], body["service"], tuple(types), epoch, body["nbf"], body["exp"], signed, key
    )


def verify_certificate(certificate: Certificate, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless the service's root key in genesis signed the certificate."""
    _verify(certificate, genesis.roots)


def trusted_certificate(text: str, genesis: Genesis) -> Certificate:
    """The verified certificate in `text`; raises `Malformed` or `IntegrityFault`.

    A key signs the events of hundreds of batches, so the result is cached. The cache's key is all that the
    result depends on: the certificate's whole text, and the members of every root key in genesis.
    """
    roots = tuple(
        (service, tuple((name, root[name]) for name in _ROOT_MEMBERS if name in root))
        for service, root in genesis.roots.items()
    )
    return _trusted(text, roots)


@lru_cache(maxsize=KEPT)
def _trusted(text: str, roots: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> Certificate:
    certificate = parse_certificate(text)
    _verify(certificate, {service: dict(members) for service, members in roots})
    return certificate


def _verify(certificate: Certificate, roots: Mapping[str, Jwk]) -> None:
    root = roots.get(certificate.service)
    if root is None:
        raise IntegrityFault(f"genesis names no root key for the service {certificate.service}")
    try:
        verify(certificate.signed, root, CERT_TYP)
    except IntegrityFault as fault:
        detail = f"the certificate is not by the {certificate.service} root: {fault.message}"
        raise IntegrityFault(detail) from fault
    if not set(certificate.types) <= set(types_of(certificate.service)):
        raise IntegrityFault(f"the certificate lists event types that {certificate.service} may not sign")


def verify_event(event: Event, certificate: Certificate | None, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless a key that is certified for the event, or the operator's, signed it.

    The caller has verified `certificate` with `verify_certificate`.
    """
    verify_signature(event, certificate, genesis)
    check_certified(event, certificate)


def verify_signature(event: Event, certificate: Certificate | None, genesis: Genesis) -> None:
    """Check only the signature of an event, as `verify_event` does."""
    if event.producer == OPERATOR:
        try:
            verify(take_apart(event.text), genesis.operator, EVENT_TYP)
        except IntegrityFault as fault:
            raise IntegrityFault(f"the event is not by the operator: {fault.message}") from fault
        return
    if certificate is None or certificate.kid != event.kid:
        raise IntegrityFault("the event comes without the certificate of the key that signed it")
    try:
        # The parser has checked the typ, and the kid was compared above.
        check_signature(certificate.key, event.signing_input, event.signature)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the event is not by the certified key: {fault.message}") from fault


def check_certified(event: Event, certificate: Certificate | None) -> None:
    """Check only that the key may sign the event, as `verify_event` does; None is the operator's key."""
    if certificate is None:
        if event.type not in types_of(OPERATOR):
            raise IntegrityFault(f"the operator may not sign {event.type}")
        return
    if event.producer != certificate.service:
        raise IntegrityFault(
            f"the event says {event.producer}, its key is certified for {certificate.service}"
        )
    if event.type not in certificate.types:
        raise IntegrityFault(f"the key is not certified for {event.type}")
    if not certificate.nbf <= event.time <= certificate.exp:
        raise IntegrityFault("the event's time is outside its certificate's")
    if event.epoch != certificate.epoch:
        raise IntegrityFault("the event's epoch is not its certificate's")
