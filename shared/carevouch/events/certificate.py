"""Certificates of session keys, and what makes an event true.

A service's root key (KMS, named in genesis) certifies a key that an execution environment made in memory:
for which event types, from when until when, in which epoch. KMS is so called once per environment, never
per event. An event is valid when its signature is by the certified key, nbf <= time <= exp, its type is
certified, and its producer is the certified service. Operator acts are signed by the operator's key of
genesis directly.
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
_LOOKED_AT = ("crv", "d", "kty", "x", "y")
MEMBERS = frozenset(["v", "kid", "jwk", "service", "types", "epoch", "nbf", "exp"])


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate; `text` is its entry, `key` the one that `jwk` spells."""

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
        """The compact JWS: the entry."""
        return self.signed.text


def certificate_payload(jwk: Jwk, service: str, epoch: int, nbf: str, exp: str) -> JsonObject:
    """The payload a service's root key signs with typ `CERT_TYP`; the types are all of the service's."""
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
    """The certificate that `text` spells, unverified; raises `Malformed`."""
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
    """Raise `IntegrityFault` unless the root that genesis names for the service signed it."""
    _verify(certificate, genesis.roots)


def trusted_certificate(text: str, genesis: Genesis) -> Certificate:
    """The certificate that `text` spells, once it is verified; raises `Malformed` or `IntegrityFault`.

    A key signs the events of hundreds of batches. That its certificate is true is therefore kept, under its
    whole text and under all that is looked at of every root in genesis: all that its truth depends on.
    """
    roots = tuple(
        (service, tuple((name, root[name]) for name in _LOOKED_AT if name in root))
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
    """Raise `IntegrityFault` unless the event is by a key certified for it (or by the operator).

    `certificate` must itself have been verified, with `verify_certificate`.
    """
    verify_signature(event, certificate, genesis)
    check_certified(event, certificate)


def verify_signature(event: Event, certificate: Certificate | None, genesis: Genesis) -> None:
    """The half of `verify_event` that looks at the signature."""
    if event.producer == OPERATOR:
        _verify_operator(event, genesis)
        return
    if certificate is None or certificate.kid != event.kid:
        raise IntegrityFault("the event comes without the certificate of the key that signed it")
    try:
        # What parsed as an event has an event's typ, and the kid was looked at above.
        check_signature(certificate.key, event.signing_input, event.signature)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the event is not by the certified key: {fault.message}") from fault


def check_certified(event: Event, certificate: Certificate | None) -> None:
    """The half of `verify_event` that looks at what the key may sign; None is the operator's."""
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


def _verify_operator(event: Event, genesis: Genesis) -> None:
    try:
        verify(take_apart(event.text), genesis.operator, EVENT_TYP)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the event is not by the operator: {fault.message}") from fault
